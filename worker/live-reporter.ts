import type { Plan } from '../contract/plan/plan.ts';
import type { ShardRecord } from '../contract/schema/record.ts';
import type { LiveEvent, PlanEvent, ShardEvent } from '../contract/schema/task.ts';
import { CellCounts } from './counts.ts';
import type { BatchProgress } from './run-shard.ts';

/** Live reports of a worker. */

export const planEventOf = ({ digest, samples, shards, allocation }: Plan): PlanEvent => ({
  planDigest: digest,
  samples,
  shards,
  cells: allocation.grid.cells.map(({ id }, i) => ({ id, wanted: allocation.quotas[i]! })),
});

export function shardEventOf({ allocation }: Plan, { planDigest, shard, cells }: ShardRecord): ShardEvent {
  const ordinals = new Map(allocation.grid.cells.map(({ id }, i) => [id, i]));
  return {
    planDigest,
    shard,
    cells: cells.map(({ cell, accepted, exhausted, attempts, rejected }) => ({
      cell: ordinals.get(cell)!,
      accepted,
      exhausted,
      attempts,
      rejected,
    })),
  };
}

/** Adds up the batches of the shard at hand and reports them from time to time. */
export class LiveReporter {
  readonly #worker: string;
  readonly #send: (event: LiveEvent) => void;
  readonly #now: () => number;
  #shard: number | null = null;
  #counts = new CellCounts();
  #since = { accepted: 0, attempts: 0 };
  #reported: number;

  /** @param now seconds from any origin */
  constructor(worker: string, send: (event: LiveEvent) => void, now: () => number) {
    this.#worker = worker;
    this.#send = send;
    this.#now = now;
    this.#reported = now();
  }

  begin(shard: number): void {
    this.#shard = shard;
    this.#counts = new CellCounts();
  }

  /** The shard is committed or released; the next one may have begun before. */
  end(shard: number): void {
    if (this.#shard === shard) this.#shard = null;
  }

  add({ cells, accepted, attempts }: BatchProgress): void {
    this.#counts.add(cells);
    this.#since.accepted += accepted;
    this.#since.attempts += attempts;
  }

  /** Reports the shard at hand, if there is one. */
  report(): void {
    if (this.#shard === null) return;
    const now = this.#now();
    const since = { seconds: now - this.#reported, ...this.#since };
    this.#send({ worker: this.#worker, shard: this.#shard, cells: this.#counts.list(), since });
    this.#reported = now;
    this.#since = { accepted: 0, attempts: 0 };
  }
}
