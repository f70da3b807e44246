import type { CellTally } from '../schema/record.ts';

/** Counts of images: attempts = accepted + rejected, and wanted = accepted + exhausted once no sample is open. */

/** Counts as records, messages and the manifest hold them; events leave out `wanted`. */
export interface Counts {
  readonly wanted?: number;
  readonly accepted: number;
  readonly exhausted: number;
  readonly attempts: number;
  /** By gate. */
  readonly rejected: Readonly<Record<string, number>>;
}

/** Counts being added up. Rejections are in a map, because a gate may be called "constructor". */
export interface Tally {
  wanted: number;
  accepted: number;
  exhausted: number;
  attempts: number;
  readonly rejected: Map<string, number>;
}

export const emptyTally = (): Tally => ({ wanted: 0, accepted: 0, exhausted: 0, attempts: 0, rejected: new Map() });

export function addCounts(into: Tally, { wanted = 0, accepted, exhausted, attempts, rejected }: Counts | Tally): void {
  into.wanted += wanted;
  into.accepted += accepted;
  into.exhausted += exhausted;
  into.attempts += attempts;
  for (const [gate, n] of rejected instanceof Map ? rejected : Object.entries(rejected)) addRejected(into, gate, n);
}

export function addRejected({ rejected }: Tally, gate: string, by = 1): void {
  rejected.set(gate, (rejected.get(gate) ?? 0) + by);
}

export function countsOf({ rejected, ...counts }: Tally): Required<Counts> {
  return { ...counts, rejected: Object.fromEntries(rejected) };
}

/** One tally for each key, in order of first appearance: memory grows with the keys alone. */
export class Tallies<Key> {
  readonly #byKey = new Map<Key, Tally>();

  /** The tally of a key, to be increased. */
  at(key: Key): Tally {
    const tally = this.#byKey.get(key) ?? emptyTally();
    this.#byKey.set(key, tally);
    return tally;
  }

  get(key: Key): Tally | undefined {
    return this.#byKey.get(key);
  }

  [Symbol.iterator](): Iterator<[Key, Tally]> {
    return this.#byKey[Symbol.iterator]();
  }
}

/** Adds up the counts of cells, as records hold them. */
export class CellTallies {
  readonly #cells = new Tallies<string>();

  add(tallies: Iterable<CellTally>): void {
    for (const tally of tallies) addCounts(this.#cells.at(tally.cell), tally);
  }

  /** In order of first appearance. */
  values(): CellTally[] {
    return [...this.#cells].map(([cell, tally]) => ({ cell, ...countsOf(tally) }));
  }
}

/** Adds up the counts of cells; the result is in order of first appearance. */
export function sumTallies(tallies: Iterable<CellTally>): CellTally[] {
  const sum = new CellTallies();
  sum.add(tallies);
  return sum.values();
}

/** The totals over all cells. */
export function totals(counts: Iterable<Counts | Tally>): Required<Counts> {
  const sum = emptyTally();
  for (const one of counts) addCounts(sum, one);
  return countsOf(sum);
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
