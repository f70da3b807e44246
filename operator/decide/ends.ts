import type { JobView } from '../observed.ts';
import type { Action, Policy } from './decision.ts';
import { datasetOf, isTrue, removal } from './predicates.ts';
import { isTrained } from './training.ts';

/** Resources that cannot be begun, those that are done, and those of which too little is known. */

/** A resource whose meaning is wrong, such as a quota that cannot be met. */
export const unaccepted: Policy = ({ parsed }) => {
  if (!('issues' in parsed)) return null;
  const lines = parsed.issues.map(({ path, message }) => `${path}: ${message}`);
  return {
    policy: 'unaccepted',
    actions: [],
    verdict: { at: 'Accepted', reason: 'SpecInvalid', message: lines.join('; ') },
  };
};

/** Nothing is decided, and nothing said, on what was not read yet. */
export const settling: Policy = ({ queue }) =>
  queue.state === 'settling' ? { policy: 'settling', actions: [], verdict: null, after: 2 } : null;

/** All that was asked for is there: what is left is to tidy up. */
export const finished: Policy = (observed) => {
  const { status, queue, jobs, now } = observed;
  if (!isTrue(observed, 'Published') || !status.manifest || !isTrained(observed)) return null;
  const actions: Action[] = [];
  if (queue.state === 'ready') actions.push({ type: 'removeQueue' });
  const { ttlSecondsAfterFinished: ttl } = datasetOf(observed).spec;
  const left = jobs.filter((job) => !job.deleting);
  const ended = Math.max(...left.map(endOf(now)));
  const isOver = ttl !== undefined && now >= ended + ttl * 1000;
  if (isOver) actions.push(...left.map((job) => removal(job)));
  const waits = ttl !== undefined && !isOver && left.length > 0;
  const { samples } = status;
  const short = samples !== undefined && samples.accepted < samples.wanted;
  return {
    policy: 'finished',
    actions,
    verdict: {
      at: 'done',
      reason: short ? 'Shortfall' : 'Complete',
      message: short
        ? `${samples.accepted} of ${samples.wanted} images are published; of ${samples.exhausted} samples no attempt passed the gates`
        : `${samples?.accepted ?? 'All'} images are published: ${status.manifest.uri}`,
    },
    ...(waits && { after: Math.ceil((ended + ttl * 1000 - now) / 1000) }),
  };
};

const endOf =
  (now: number) =>
  ({ endedAt }: JobView): number =>
    endedAt ?? now;
