import type { QueueAdmin } from '../../platform/queue/types.ts';
import type { QueueView } from '../observed.ts';

/** What the operator sees of the queue. */

/** A server that restarts is back within this time, and nobody needs to hear of it. */
const GRACE_MS = 10_000;

export interface QueueContext {
  readonly queue: Pick<QueueAdmin, 'problem' | 'state'>;
  /** Whether all that the queue had stored has been read. */
  readonly isCurrent: () => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Reads the state of a dataset's queue, by its UID. */
export type QueueObserver = (uid: string) => Promise<QueueView>;

export function createQueueObserver({ queue, isCurrent, now }: QueueContext): QueueObserver {
  let awaySince: number | null = null;
  const away = (message: string): QueueView => {
    awaySince ??= now();
    return now() - awaySince < GRACE_MS ? { state: 'settling' } : { state: 'unreachable', message };
  };
  return async (uid) => {
    if (queue.problem !== null) return away(queue.problem);
    if (!isCurrent()) return away('What the queue has stored is still being read');
    try {
      const state = await queue.state(uid);
      awaySince = null;
      return state ? { state: 'ready', ...state } : { state: 'missing' };
    } catch (error) {
      return away((error as Error).message);
    }
  };
}
