import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, Failure, reasonOf } from '../contract/failure.ts';
import { unlessAborted } from '../platform/abort.ts';
import type { Lease, ShardSource } from '../platform/queue/types.ts';

/** A plain list as a worker's source of shards: the local run. A shard that fails is tried again, after a pause. */

/** A shard that failed this often is given up: the next try would fail, too. */
const MAX_TRIES = 5;

export interface ArraySourceOptions {
  /** Shards to do, in order. */
  readonly shards: readonly number[];
  /** Reports that a shard failed and is tried again. */
  readonly onRetry: (shard: number, why: string) => void;
  /** Milliseconds before the first retry; each further one waits twice as long. */
  readonly pauseMs?: number;
}

export function arraySource({ shards, onRetry, pauseMs = 1000 }: ArraySourceOptions): ShardSource {
  const queue = [...shards];
  const tries = new Map<number, number>();
  let open = queue.length;
  let changed = Promise.withResolvers<void>();

  function change(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  async function retry(shard: number, error: unknown, signal: AbortSignal): Promise<boolean> {
    if (!mayPass(error)) return false;
    const count = tries.get(shard)!;
    const why = describeError(error);
    if (count >= MAX_TRIES) {
      const text = `shard ${shard} failed ${count} times, the last time: ${why}`;
      throw new Failure(reasonOf(error), text, { cause: error, retryable: true });
    }
    onRetry(shard, why);
    // What failed a moment ago (a full disk, a store that restarts) needs time.
    await sleep(pauseMs * 2 ** (count - 1), undefined, { signal }).catch(() => {});
    queue.unshift(shard);
    change();
    return !signal.aborted;
  }

  function lease(shard: number, signal: AbortSignal): Lease {
    const deliveryCount = (tries.get(shard) ?? 0) + 1;
    tries.set(shard, deliveryCount);
    return {
      shard,
      deliveryCount,
      async complete() {
        open--;
        change();
      },
      release: (error) => retry(shard, error, signal),
    };
  }

  return {
    async announce() {},
    async next(signal = new AbortController().signal) {
      signal.throwIfAborted();
      // While shards are with others, one of them may come back.
      while (queue.length === 0 && open > 0) await unlessAborted(changed.promise, signal);
      const shard = queue.shift();
      return shard === undefined ? null : lease(shard, signal);
    },
    report() {},
    async close() {},
  };
}

/** An engine has tried again enough by itself, and what was stopped on request stays so. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof Failure)) return true;
  return error.retryable && error.reason !== 'EngineCrashed' && error.reason !== 'Retrying';
}
