import { MAX_GATES } from '../schema/spec.ts';
import type { CellCount, LiveEvent, PlanEvent, ShardEvent } from '../schema/task.ts';
import { addCounts, addRejected, Tallies, type Tally, totals } from './tally.ts';

/**
 * What is known of a dataset's progress, added up from the events of the queue. Events may come in any order and more than
 * once: each shard counts once. Committed counts are exact; those of running shards are the latest reports.
 */

/** Attempts of a cell before its acceptance is judged. */
const JUDGED_AFTER = 50;
/** Below this share of accepted images a person should look at the cell. */
const LOW_ACCEPTANCE = 0.05;
/** A worker that has not reported for so long is not counted any more. */
const LIVE_MS = 180_000;
/** The rate is that of the last minute. */
const RATE_WINDOW_MS = 60_000;
const WORST_CELLS = 10;

/** Totals of a cell, committed and running together. */
export interface CellProgress {
  readonly cell: string;
  readonly wanted: number;
  readonly accepted: number;
  readonly attempts: number;
  /** Share of the attempts; 1 where there are none. */
  readonly acceptanceRate: number;
  /** The gate that rejected most. */
  readonly gate?: string;
}

export interface ProgressSummary {
  readonly plan: { readonly digest: string; readonly samples: number; readonly shards: number } | null;
  /** Committed. */
  readonly samples: { readonly accepted: number; readonly exhausted: number; readonly attempts: number };
  readonly rejected: Readonly<Record<string, number>>;
  readonly shardsCommitted: number;
  readonly cells: { readonly complete: number; readonly total: number };
  /** By acceptance, the lowest first. */
  readonly worstCells: readonly CellProgress[];
  /** The worst cell, when nearly everything tried for it is rejected. */
  readonly tooLow: CellProgress | null;
  /** Accepted images of the last minute by all workers, committed or not. */
  readonly imagesPerSecond: number;
  /** Milliseconds since the epoch of the last report of finished or running work; null before the first. */
  readonly lastWorkAt: number | null;
  readonly lastCommitAt: number | null;
}

interface Running {
  readonly shard: number;
  readonly cells: readonly CellCount[];
  readonly at: number;
}

/** Adds up the events of one dataset. Times are milliseconds since the epoch and given by the caller. */
export class Progress {
  #plan: PlanEvent | null = null;
  #digest: string | null = null;
  #committed = new Set<number>();
  /** By ordinal. A message may name any: those beyond the plan are left out of every sum. */
  #cells = new Tallies<number>();
  /** By worker. */
  #running = new Map<string, Running>();
  #recent: { at: number; accepted: number }[] = [];
  #lastWorkAt: number | null = null;
  #lastCommitAt: number | null = null;

  /** Takes in the plan of a worker. A plan other than the last one resets the count. */
  addPlan(event: PlanEvent): void {
    this.#useDigest(event.planDigest);
    this.#plan = event;
  }

  /** A shard is committed. @param at null for an event of the past that is read again */
  addShard(event: ShardEvent, at: number | null): void {
    if (this.#digest === null) this.#digest = event.planDigest;
    if (event.planDigest !== this.#digest || this.#committed.has(event.shard)) return;
    this.#committed.add(event.shard);
    for (const count of event.cells) addBounded(this.#cells.at(count.cell), count);
    for (const [worker, { shard }] of this.#running) if (shard === event.shard) this.#running.delete(worker);
    if (at === null) return;
    this.#lastCommitAt = at;
    this.#lastWorkAt = at;
  }

  /** A worker reports on its running shard. */
  addLive(event: LiveEvent, at: number): void {
    this.#lastWorkAt = at;
    this.#recent.push({ at, accepted: event.since.accepted });
    if (!this.#committed.has(event.shard)) this.#running.set(event.worker, { ...event, at });
  }

  isCommitted(shard: number): boolean {
    return this.#committed.has(shard);
  }

  /** Shards of the plan that are not known to be committed, in order; none before the plan is known. */
  *missing(): Generator<number, void> {
    for (let shard = 0; shard < (this.#plan?.shards ?? 0); shard++) if (!this.#committed.has(shard)) yield shard;
  }

  summary(now: number): ProgressSummary {
    this.#forget(now);
    const plan = this.#plan;
    const worstCells = this.#worstCells();
    return {
      plan: plan && { digest: plan.planDigest, samples: plan.samples, shards: plan.shards },
      ...totalsOf(this.#known()),
      shardsCommitted: this.#committed.size,
      cells: this.#cellCounts(),
      worstCells,
      tooLow: worstCells.find((cell) => cell.attempts >= JUDGED_AFTER && cell.acceptanceRate < LOW_ACCEPTANCE) ?? null,
      imagesPerSecond: this.#rate(now),
      lastWorkAt: this.#lastWorkAt,
      lastCommitAt: this.#lastCommitAt,
    };
  }

  #useDigest(digest: string): void {
    if (this.#digest === digest) return;
    if (this.#digest !== null) {
      this.#committed.clear();
      this.#cells.clear();
      this.#running.clear();
    }
    this.#digest = digest;
  }

  /** Cells that the plan has; all of them while the plan is not known. */
  *#known(): Generator<Tally, void> {
    const total = this.#plan?.cells.length ?? Number.POSITIVE_INFINITY;
    for (const [ordinal, tally] of this.#cells) if (ordinal < total) yield tally;
  }

  #forget(now: number): void {
    this.#recent = this.#recent.filter(({ at }) => now - at < RATE_WINDOW_MS);
    for (const [worker, { at }] of this.#running) if (now - at >= LIVE_MS) this.#running.delete(worker);
  }

  #rate(now: number): number {
    const first = this.#recent[0];
    if (!first) return 0;
    const accepted = this.#recent.reduce((sum, report) => sum + report.accepted, 0);
    // The first reports cover time before them; a short window would make of them a burst.
    return accepted / (Math.max(10_000, now - first.at) / 1000);
  }

  #cellCounts(): ProgressSummary['cells'] {
    const cells = this.#plan?.cells.map(({ wanted }, i) => ({ wanted, settled: settled(this.#cells.get(i)) })) ?? [];
    const withSamples = cells.filter(({ wanted }) => wanted > 0);
    return {
      complete: withSamples.filter(({ wanted, settled }) => settled >= wanted).length,
      total: withSamples.length,
    };
  }

  #worstCells(): CellProgress[] {
    if (!this.#plan) return [];
    const sums = new Tallies<number>();
    for (const [ordinal, tally] of this.#cells) addCounts(sums.at(ordinal), tally);
    for (const { cells } of this.#running.values()) for (const count of cells) addBounded(sums.at(count.cell), count);
    return [...sums]
      .filter(([ordinal, { attempts }]) => attempts > 0 && ordinal < this.#plan!.cells.length)
      .map(([ordinal, counts]) => cellProgress(this.#plan!.cells[ordinal]!, counts))
      .sort((a, b) => a.acceptanceRate - b.acceptanceRate || (a.cell < b.cell ? -1 : 1))
      .slice(0, WORST_CELLS);
  }
}

const settled = (tally: Tally | undefined): number => (tally ? tally.accepted + tally.exhausted : 0);

/** Adds a count of a message. No plan has more gates; a forged message could invent names without end. */
function addBounded(into: Tally, { rejected, ...count }: CellCount): void {
  addCounts(into, { ...count, rejected: {} });
  for (const [gate, n] of Object.entries(rejected))
    if (into.rejected.size <= MAX_GATES || into.rejected.has(gate)) addRejected(into, gate, n);
}

function totalsOf(cells: Iterable<Tally>): Pick<ProgressSummary, 'samples' | 'rejected'> {
  const { accepted, exhausted, attempts, rejected } = totals(cells);
  return { samples: { accepted, exhausted, attempts }, rejected };
}

function cellProgress({ id, wanted }: PlanEvent['cells'][number], counts: Tally): CellProgress {
  const [most] = [...counts.rejected].sort((a, b) => b[1] - a[1]);
  return {
    cell: id,
    wanted,
    accepted: counts.accepted,
    attempts: counts.attempts,
    acceptanceRate: counts.attempts === 0 ? 1 : counts.accepted / counts.attempts,
    ...(most && { gate: most[0] }),
  };
}
