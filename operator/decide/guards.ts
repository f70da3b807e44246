import type { Guard } from './decision.ts';

/** Resources of which too little is known, or which no step can be taken for. */

/** A resource whose meaning is wrong, such as a quota that cannot be met. */
export const invalid: Guard = ({ parsed }) => {
  if (!('issues' in parsed)) return null;
  const lines = parsed.issues.map(({ path, message }) => `${path}: ${message}`);
  return {
    policy: 'invalid',
    actions: [],
    stepStatus: { at: 'Accepted', reason: 'SpecInvalid', message: lines.join('; ') },
  };
};

/** Nothing is decided or reported before the queue was read. */
export const queueUnknown: Guard = ({ queue }) =>
  queue.state === 'settling' ? { policy: 'queueUnknown', actions: [], stepStatus: null, requeueAfter: 2 } : null;
