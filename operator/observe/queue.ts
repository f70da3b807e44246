import type { QueueAdmin } from '../../platform/queue/types.ts';
import type { QueueView } from '../observed.ts';

/** The queue as the operator observes it. */

/** A server that restarts is back within this time, without a report. */
const GRACE_MS = 10_000;

export interface QueueContext {
  readonly queue: Pick<QueueAdmin, 'problem' | 'state'>;
  /** Whether all that the queue had stored has been read. */
  readonly isCurrent: () => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Reads the state of a dataset's queue, by its UID. */
export interface QueueObserver {
  /** @param isNew whether nothing was made for the dataset yet, so that the server need not be asked */
  observe(uid: string, isNew?: boolean): Promise<QueueView>;
  /** The dataset is gone. */
  forget(uid: string): void;
}

export function createQueueObserver({ queue, isCurrent, now }: QueueContext): QueueObserver {
  /** By UID: the stream of one dataset may fail while those of others are well. */
  const awaySince = new Map<string, number>();
  const away = (uid: string, message: string): QueueView => {
    const since = awaySince.get(uid) ?? now();
    awaySince.set(uid, since);
    return now() - since < GRACE_MS ? { state: 'settling' } : { state: 'unreachable', message };
  };
  return {
    async observe(uid, isNew) {
      if (queue.problem !== null) return away(uid, queue.problem);
      if (!isCurrent()) return away(uid, 'What the queue has stored is still being read');
      if (isNew) return { state: 'missing' };
      try {
        const state = await queue.state(uid);
        awaySince.delete(uid);
        return state ? { state: 'ready', ...state } : { state: 'missing' };
      } catch (error) {
        return away(uid, (error as Error).message);
      }
    },
    forget: (uid) => {
      awaySince.delete(uid);
    },
  };
}
