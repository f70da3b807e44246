import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { live, progress } from '../../contract/cluster.ts';
import { sha256 } from '../../contract/digest.ts';
import { type LiveEvent, liveInterval, type PlanEvent, type ShardEvent } from '../../contract/schema/task.ts';
import { REPLICAS } from './objects.ts';

/** The reports of the workers of many datasets, of whom there are none. */

export interface Reports {
  /** From now on, its workers run: they announce their plan, and each reports its work as often as a worker does. */
  begin(uid: string, name: string): Promise<void>;
  /** Reports that a shard of each dataset is committed. */
  commit(shard: number): Promise<void>;
  /** Live events sent so far. */
  count(): number;
  close(): Promise<void>;
}

export const SHARDS = 10;
const CELLS = 32;
const INTERVAL_MS = 1000 * liveInterval(REPLICAS);

export async function startReports(url: string): Promise<Reports> {
  const connection = await connect({ servers: url });
  const stream = jetstream(connection);
  const running = new Map<string, string>();
  let count = 0;
  let closing = false;
  const report = async () => {
    while (!closing) {
      const due = Date.now() + INTERVAL_MS;
      count += await reportAll(connection, [...running.keys()], due);
      await sleep(Math.max(1, due - Date.now()));
    }
  };
  const reporting = report();
  return {
    async begin(uid, name) {
      await stream.publish(progress.plan(uid), JSON.stringify(planOf(name)));
      running.set(uid, name);
    },
    async commit(shard) {
      for (const [uid, name] of running)
        await stream.publish(progress.shard(uid, shard), JSON.stringify(shardOf(name, shard)));
    },
    count: () => count,
    async close() {
      closing = true;
      await reporting;
      await connection.close();
    },
  };
}

/** Spread over the interval, as the reports of many pods are. */
async function reportAll(connection: NatsConnection, uids: readonly string[], due: number): Promise<number> {
  const begun = Date.now();
  const slices = 20;
  for (let slice = 0; slice < slices; slice++) {
    for (const uid of uids.slice((slice * uids.length) / slices, ((slice + 1) * uids.length) / slices))
      for (let worker = 0; worker < REPLICAS; worker++)
        connection.publish(live.subject(uid), JSON.stringify(liveOf(uid, worker)));
    await sleep(Math.max(0, begun + ((due - begun) * (slice + 1)) / slices - Date.now()));
  }
  return uids.length * REPLICAS;
}

const planOf = (name: string): PlanEvent => ({
  planDigest: sha256(name),
  samples: 10_000,
  shards: SHARDS,
  cells: Array.from({ length: CELLS }, (_, i) => ({ id: `age=18-39,finding=edema,sex=${i}`, wanted: 312 })),
});

const countOf = (cell: number) => ({ cell, accepted: 31, exhausted: 0, attempts: 40, rejected: { sex: 9 } });

const shardOf = (name: string, shard: number): ShardEvent => ({
  planDigest: sha256(name),
  shard,
  cells: Array.from({ length: CELLS }, (_, cell) => countOf(cell)),
});

const liveOf = (uid: string, worker: number): LiveEvent => ({
  worker: `${uid}-${worker}`,
  shard: worker,
  cells: Array.from({ length: 4 }, (_, cell) => countOf(cell)),
  since: { seconds: 2, accepted: 4, attempts: 5 },
});
