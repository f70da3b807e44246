import type { QueueAdmin } from '../../platform/queue/types.ts';

/** Requests to the queue whose time is measured, by the name of the method. */
const OPERATIONS = ['ensureStreams', 'fill', 'state', 'resetConsumer', 'remake', 'remove'] as const;

export interface QueueRequest {
  readonly operation: (typeof OPERATIONS)[number];
  readonly seconds: number;
  readonly failed: boolean;
}

/** The same queue, which reports how long its requests took. @param now milliseconds of any clock */
export function timedQueue(queue: QueueAdmin, onRequest: (seen: QueueRequest) => void, now: () => number): QueueAdmin {
  const timed = (operation: QueueRequest['operation']) => {
    const call = queue[operation] as (...args: unknown[]) => Promise<unknown>;
    return async (...args: unknown[]): Promise<unknown> => {
      const started = now();
      const report = (failed: boolean) => onRequest({ operation, seconds: (now() - started) / 1000, failed });
      try {
        const answer = await call(...args);
        report(false);
        return answer;
      } catch (error) {
        report(true);
        throw error;
      }
    };
  };
  // Its other properties are read from the queue itself at any time.
  return Object.assign(Object.create(queue), Object.fromEntries(OPERATIONS.map((name) => [name, timed(name)])));
}
