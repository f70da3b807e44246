import { addCount } from '../contract/account/tally.ts';
import type { CellCount } from '../contract/schema/task.ts';

/** Counting the images of a batch, or of all batches so far. */

type Counting = { -readonly [K in keyof CellCount]: CellCount[K] };

/** Counts by cell, in the order in which cells first came up. */
export class CellCounts {
  readonly #cells = new Map<number, Counting>();

  /** The counts of one cell, to be increased. */
  of(cell: number): Counting {
    const known = this.#cells.get(cell);
    if (known) return known;
    const fresh = { cell, accepted: 0, exhausted: 0, attempts: 0, rejected: {} };
    this.#cells.set(cell, fresh);
    return fresh;
  }

  add(counts: Iterable<CellCount>): void {
    for (const { cell, accepted, exhausted, attempts, rejected } of counts) {
      const sum = this.of(cell);
      sum.accepted += accepted;
      sum.exhausted += exhausted;
      sum.attempts += attempts;
      for (const [gate, n] of Object.entries(rejected)) addCount(sum.rejected, gate, n);
    }
  }

  list(): CellCount[] {
    return [...this.#cells.values()];
  }
}

/** The outcome of one batch, by cell and in total. */
export class BatchCounts {
  readonly #cells = new CellCounts();
  readonly #rejected: Record<string, number> = {};
  #accepted = 0;
  #attempts = 0;

  accept(cell: number): void {
    const counts = this.#cells.of(cell);
    counts.accepted++;
    counts.attempts++;
    this.#accepted++;
    this.#attempts++;
  }

  /** @param exhausted whether that was the sample's last attempt */
  reject(cell: number, gate: string, exhausted: boolean): void {
    const counts = this.#cells.of(cell);
    counts.attempts++;
    if (exhausted) counts.exhausted++;
    addCount(counts.rejected, gate, 1);
    addCount(this.#rejected, gate, 1);
    this.#attempts++;
  }

  progress() {
    return {
      attempts: this.#attempts,
      accepted: this.#accepted,
      rejected: this.#rejected,
      cells: this.#cells.list(),
    };
  }
}
