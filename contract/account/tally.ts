import type { CellTally } from '../schema/record.ts';

/** Counting: per cell, wanted = accepted + exhausted and attempts = accepted + rejected. */

/** Adds up tallies of the same cells as they come: what it holds grows with the cells alone. */
export class TallySum {
  readonly #byCell = new Map<string, CellTally>();

  add(tallies: Iterable<CellTally>): void {
    for (const tally of tallies) {
      const sum = this.#byCell.get(tally.cell);
      if (!sum) this.#byCell.set(tally.cell, { ...tally, rejected: { ...tally.rejected } });
      else addTally(sum, tally);
    }
  }

  /** In order of first appearance. */
  values(): CellTally[] {
    return [...this.#byCell.values()];
  }
}

/** Adds up tallies of the same cells; the result is in order of first appearance. */
export function sumTallies(tallies: Iterable<CellTally>): CellTally[] {
  const sum = new TallySum();
  sum.add(tallies);
  return sum.values();
}

function addTally(sum: CellTally, tally: CellTally): void {
  sum.wanted += tally.wanted;
  sum.accepted += tally.accepted;
  sum.exhausted += tally.exhausted;
  sum.attempts += tally.attempts;
  for (const [gate, n] of Object.entries(tally.rejected)) addCount(sum.rejected, gate, n);
}

/** Adds to the count of a name. A gate may be called "constructor", so only own members count. */
export function addCount(counts: Record<string, number>, name: string, by: number): void {
  counts[name] = by + (Object.hasOwn(counts, name) ? counts[name]! : 0);
}

export interface Totals {
  readonly wanted: number;
  readonly accepted: number;
  readonly exhausted: number;
  readonly attempts: number;
  readonly rejected: Readonly<Record<string, number>>;
}

const NOTHING: Totals = { wanted: 0, accepted: 0, exhausted: 0, attempts: 0, rejected: {} };

/** The totals over all cells. */
export function totals(tallies: Iterable<CellTally>): Totals {
  const [sum] = sumTallies([...tallies].map((tally) => ({ ...tally, cell: '' })));
  const { wanted, accepted, exhausted, attempts, rejected } = sum ?? NOTHING;
  return { wanted, accepted, exhausted, attempts, rejected };
}

/** Why a tally contradicts itself, or null. */
export function tallyFault(tally: CellTally): string | null {
  const rejected = Object.values(tally.rejected).reduce((sum, n) => sum + n, 0);
  if (tally.wanted !== tally.accepted + tally.exhausted) {
    return `cell ${tally.cell}: ${tally.wanted} wanted, but ${tally.accepted} accepted and ${tally.exhausted} exhausted`;
  }
  if (tally.attempts !== tally.accepted + rejected) {
    return `cell ${tally.cell}: ${tally.attempts} attempts, but ${tally.accepted} accepted and ${rejected} rejected`;
  }
  return null;
}
