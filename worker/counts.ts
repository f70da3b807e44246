import { addCounts, addRejected, countsOf, Tallies, totals } from '../contract/account/tally.ts';
import type { CellCount } from '../contract/schema/task.ts';

/** Counts of the images of a batch, or of all batches so far. */

/** Counts by cell, as events hold them. */
export class CellCounts {
  readonly #cells = new Tallies<number>();

  add(counts: Iterable<CellCount>): void {
    for (const count of counts) addCounts(this.#cells.at(count.cell), count);
  }

  list(): CellCount[] {
    return listOf(this.#cells);
  }
}

/** The outcome of one batch, by cell and in total. */
export class BatchCounts {
  readonly #cells = new Tallies<number>();

  accept(cell: number): void {
    const tally = this.#cells.at(cell);
    tally.accepted++;
    tally.attempts++;
  }

  /** @param exhausted whether that was the sample's last attempt */
  reject(cell: number, gate: string, exhausted: boolean): void {
    const tally = this.#cells.at(cell);
    tally.attempts++;
    if (exhausted) tally.exhausted++;
    addRejected(tally, gate);
  }

  progress() {
    const cells = listOf(this.#cells);
    const { attempts, accepted, rejected } = totals(cells);
    return { attempts, accepted, rejected, cells };
  }
}

function listOf(cells: Tallies<number>): CellCount[] {
  return [...cells].map(([cell, tally]) => {
    const { accepted, exhausted, attempts, rejected } = countsOf(tally);
    return { cell, accepted, exhausted, attempts, rejected };
  });
}
