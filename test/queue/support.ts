import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveEvent, PlanEvent, ShardEvent } from '../../contract/schema/task.ts';
import { createLogger } from '../../platform/log.ts';
import { openQueueAdmin } from '../../platform/queue/admin.ts';
import { openShardSource } from '../../platform/queue/shard-source.ts';
import type { QueueAdmin, QueueEvent, ShardSource } from '../../platform/queue/types.ts';

/** Small parts for tests of the queue. */

/** Acknowledgement wait of the tests' consumers: short, so that a dead worker's shard comes back within a test. */
export const ACK_WAIT_MS = 2000;

export const DIGEST = 'a'.repeat(64);

const opened: { close(): Promise<void> }[] = [];

function remember<T extends { close(): Promise<void> }>(one: T): T {
  opened.push(one);
  return one;
}

/** Closes what a failed test may have left open. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((one) => one.close()));
}

export const adminOf = (
  url: string,
  maxDeliver = 3,
  options: { credentials?: string; token?: string } = {},
): QueueAdmin =>
  remember(
    openQueueAdmin({
      url,
      ...options,
      log: createLogger({ name: 'test', level: 'silent' }),
      limits: { ackWaitMs: ACK_WAIT_MS, maxDeliver },
    }),
  );

export const planEvent = (shards: number): PlanEvent => ({
  planDigest: DIGEST,
  samples: shards,
  shards,
  cells: [{ id: 'sex=female', wanted: shards }],
});

export const shardEvent = (shard: number): ShardEvent => ({
  planDigest: DIGEST,
  shard,
  cells: [{ cell: 0, accepted: 1, exhausted: 0, attempts: 2, rejected: { sex: 1 } }],
});

export const liveEvent = (worker: string, shard: number): LiveEvent => ({
  worker,
  shard,
  cells: [],
  since: { seconds: 2, accepted: 0, attempts: 4 },
});

/** A worker that has announced the plan. */
export async function workerOf(url: string, uid: string, options = {}): Promise<ShardSource> {
  const worker = remember(openShardSource({ url, uid, timeoutMs: 20_000, ...options }));
  await worker.announce(planEvent(1000));
  return worker;
}

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Waits until it holds. @throws Error after 30 seconds */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await sleep(50);
  }
}

export const shardsIn = (events: readonly QueueEvent[], uid: string): number[] => [
  ...new Set(events.flatMap((event) => (event.uid === uid && event.kind === 'shard' ? event.event.shard : []))),
];
