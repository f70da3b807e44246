import { MAX_GATES } from '../schema/spec.ts';
import type { CellCount, LiveEvent, PlanEvent, ShardEvent, StepEvent } from '../schema/task.ts';
import { addCounts, addRejected, Tallies, type Tally, totals } from './tally.ts';

/**
 * What is known of a dataset's progress, added up from the events of the queue. Events may come in any order and more than
 * once: each shard counts once. Committed counts are exact; those of running shards are the latest reports. A dataset has one
 * plan: the one that its status says was accepted, and before that the first one that is announced. Another one is ignored.
 */

/** Attempts of a cell before its acceptance is judged. */
const JUDGED_AFTER = 50;
/** Below this share of accepted images a person should look at the cell. */
const LOW_ACCEPTANCE = 0.05;
/** A worker that has not reported for so long is not counted any more. */
const LIVE_MS = 180_000;
/** No dataset has more stages, with publishing, evaluation and comparison. */
const MAX_STEPS = 64;
/** The rate is that of the last minute. */
const RATE_WINDOW_MS = 60_000;
const WORST_CELLS = 10;
/** Plans whose shards are counted until one of them is accepted. */
const MAX_DIGESTS = 4;

/** The accepted plan, as far as the status remembers it. */
export interface AcceptedPlan {
  readonly digest: string;
  readonly samples?: number | undefined;
  readonly shards?: number | undefined;
}

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
  /** Digest of the plan that was announced last and ignored, since it contradicts the dataset's; null for none. */
  readonly ignoredPlan: string | null;
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
  /** Latest reports of the publish pod and of stages that still report. */
  readonly steps: readonly StepEvent[];
}

/** The committed shards of one plan, and their counts by cell ordinal: a message may name any shard and cell. */
interface Committed {
  readonly shards: Set<number>;
  readonly cells: Tallies<number>;
}

interface Running {
  readonly shard: number;
  readonly cells: readonly CellCount[];
  readonly at: number;
}

/** Adds up the events of one dataset. Times are milliseconds since the epoch and given by the caller. */
export class Progress {
  #accepted: AcceptedPlan | null = null;
  #plan: PlanEvent | null = null;
  #ignoredPlan: string | null = null;
  /** By plan digest. */
  #byDigest = new Map<string, Committed>();
  /** By worker. */
  #running = new Map<string, Running>();
  /** By stage; that of the publish pod has none. */
  #steps = new Map<string | undefined, { readonly event: StepEvent; readonly at: number }>();
  #recent: { at: number; accepted: number }[] = [];
  #lastWorkAt: number | null = null;
  #lastCommitAt: number | null = null;

  /** Takes in which plan was accepted, as the status remembers it. A plan that was announced and is another one is dropped. */
  accept(accepted: AcceptedPlan): void {
    this.#accepted = accepted;
    for (const digest of this.#byDigest.keys()) if (digest !== accepted.digest) this.#byDigest.delete(digest);
    if (this.#plan === null || isPlanOf(this.#plan, accepted)) return;
    this.#ignoredPlan = this.#plan.planDigest;
    this.#plan = null;
  }

  /** Takes in the plan of a worker. @returns whether it is the dataset's; another one changes nothing */
  addPlan(event: PlanEvent): boolean {
    const isOurs = this.#plan
      ? isSamePlan(this.#plan, event)
      : this.#accepted === null || isPlanOf(event, this.#accepted);
    if (!isOurs) this.#ignoredPlan = event.planDigest;
    else if (this.#plan === null) [this.#plan, this.#ignoredPlan] = [event, null];
    return isOurs;
  }

  /** A shard is committed. @param at null for an event of the past that is read again */
  addShard(event: ShardEvent, at: number | null): void {
    const committed = this.#committedOf(event.planDigest);
    if (!committed || committed.shards.has(event.shard)) return;
    if (this.#plan?.planDigest === event.planDigest && event.shard >= this.#plan.shards) return;
    committed.shards.add(event.shard);
    for (const count of event.cells) addBounded(committed.cells.at(count.cell), count);
    if (event.planDigest !== this.#digest) return;
    for (const [worker, { shard }] of this.#running) if (shard === event.shard) this.#running.delete(worker);
    if (at === null) return;
    this.#lastCommitAt = at;
    this.#lastWorkAt = at;
  }

  /** A worker reports on its running shard. */
  addLive(event: LiveEvent, at: number): void {
    this.#lastWorkAt = at;
    this.#recent.push({ at, accepted: event.since.accepted });
    if (!this.isCommitted(event.shard)) this.#running.set(event.worker, { ...event, at });
  }

  /** The publish pod or a stage reports how far it is. */
  addStep(event: StepEvent, at: number): void {
    if (this.#steps.has(event.stage) || this.#steps.size < MAX_STEPS) this.#steps.set(event.stage, { event, at });
  }

  isCommitted(shard: number): boolean {
    return this.#committed?.shards.has(shard) ?? false;
  }

  /** Shards of the plan that are not known to be committed, in order; none before the plan is known. */
  *missing(): Generator<number, void> {
    for (let shard = 0; shard < (this.#plan?.shards ?? 0); shard++) if (!this.isCommitted(shard)) yield shard;
  }

  summary(now: number): ProgressSummary {
    this.#forget(now);
    const plan = this.#plan;
    const worstCells = this.#worstCells();
    return {
      plan: plan && { digest: plan.planDigest, samples: plan.samples, shards: plan.shards },
      ignoredPlan: this.#ignoredPlan,
      ...totalsOf(this.#known()),
      shardsCommitted: this.#shardsCommitted(),
      cells: this.#cellCounts(),
      worstCells,
      tooLow: worstCells.find((cell) => cell.attempts >= JUDGED_AFTER && cell.acceptanceRate < LOW_ACCEPTANCE) ?? null,
      imagesPerSecond: this.#rate(now),
      lastWorkAt: this.#lastWorkAt,
      lastCommitAt: this.#lastCommitAt,
      steps: [...this.#steps.values()].map(({ event }) => event),
    };
  }

  /** Digest of the dataset's plan; null while none is known. */
  get #digest(): string | null {
    return this.#accepted?.digest ?? this.#plan?.planDigest ?? null;
  }

  /** Before a plan is known, that of the first shard that was reported. */
  get #committed(): Committed | undefined {
    const [first] = this.#byDigest.values();
    return this.#digest === null ? first : this.#byDigest.get(this.#digest);
  }

  /** The count for shards of a plan; undefined for one that is not the dataset's, or one too many. */
  #committedOf(digest: string): Committed | undefined {
    const known = this.#byDigest.get(digest);
    if (known) return known;
    const mayBeOurs = this.#accepted === null ? this.#byDigest.size < MAX_DIGESTS : digest === this.#accepted.digest;
    if (!mayBeOurs && digest !== this.#digest) return undefined;
    const committed: Committed = { shards: new Set(), cells: new Tallies() };
    this.#byDigest.set(digest, committed);
    return committed;
  }

  /** Shards that the plan has; all of them while the plan is not known. */
  #shardsCommitted(): number {
    const total = this.#plan?.shards ?? Number.POSITIVE_INFINITY;
    let count = 0;
    for (const shard of this.#committed?.shards ?? []) if (shard < total) count++;
    return count;
  }

  /** Cells that the plan has; all of them while the plan is not known. */
  *#known(): Generator<Tally, void> {
    const total = this.#plan?.cells.length ?? Number.POSITIVE_INFINITY;
    for (const [ordinal, tally] of this.#committed?.cells ?? []) if (ordinal < total) yield tally;
  }

  #forget(now: number): void {
    this.#recent = this.#recent.filter(({ at }) => now - at < RATE_WINDOW_MS);
    for (const [stage, { at }] of this.#steps) if (now - at >= LIVE_MS) this.#steps.delete(stage);
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
    const tallies = this.#committed?.cells;
    const cells = this.#plan?.cells.map(({ wanted }, i) => ({ wanted, settled: settled(tallies?.get(i)) })) ?? [];
    const withSamples = cells.filter(({ wanted }) => wanted > 0);
    return {
      complete: withSamples.filter(({ wanted, settled }) => settled >= wanted).length,
      total: withSamples.length,
    };
  }

  #worstCells(): CellProgress[] {
    if (!this.#plan) return [];
    const sums = new Tallies<number>();
    for (const [ordinal, tally] of this.#committed?.cells ?? []) addCounts(sums.at(ordinal), tally);
    for (const { cells } of this.#running.values()) for (const count of cells) addBounded(sums.at(count.cell), count);
    return [...sums]
      .filter(([ordinal, { attempts }]) => attempts > 0 && ordinal < this.#plan!.cells.length)
      .map(([ordinal, counts]) => cellProgress(this.#plan!.cells[ordinal]!, counts))
      .sort((a, b) => a.acceptanceRate - b.acceptanceRate || (a.cell < b.cell ? -1 : 1))
      .slice(0, WORST_CELLS);
  }
}

/** Whether a plan may be the one that was accepted. */
const isPlanOf = (plan: PlanEvent, { digest, samples, shards }: AcceptedPlan): boolean =>
  plan.planDigest === digest && plan.samples === (samples ?? plan.samples) && plan.shards === (shards ?? plan.shards);

/** Plans of one digest are one plan: a message that differs in anything else is false. */
const isSamePlan = (a: PlanEvent, b: PlanEvent): boolean =>
  isPlanOf(b, { ...a, digest: a.planDigest }) &&
  a.cells.length === b.cells.length &&
  a.cells.every(({ id, wanted }, i) => b.cells[i]?.id === id && b.cells[i]?.wanted === wanted);

const settled = (tally: Tally | undefined): number => (tally ? tally.accepted + tally.exhausted : 0);

/** Adds a count of a message. No plan has more gates; a forged message could invent names without end. */
function addBounded(into: Tally, { rejected, ...count }: CellCount): void {
  addCounts(into, { ...count, rejected: {} });
  for (const [gate, n] of Object.entries(rejected))
    if (into.rejected.size <= MAX_GATES + 1 || into.rejected.has(gate)) addRejected(into, gate, n);
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
