/**
 * Taking turns: which of a list of items (the years of a bin, the phrases of a finding) each sample of a cell gets, so
 * that all come equally often and each meets everything else about the sample.
 */

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * Which of `length` items the sample in a cell's `slot` gets, where the rest of it repeats every `period` slots.
 * The turn is slot mod length, shifted by one after each common multiple of both rhythms. So among the first n slots every
 * item comes up floor(n / length) or ceil(n / length) times, and after length * period slots everything has met everything
 * once and all of it repeats.
 */
export function rotate(slot: number, length: number, period: number): number {
  return (slot + shift(slot, length, period)) % length;
}

function shift(slot: number, length: number, period: number): number {
  const divisor = gcd(length, period);
  return Math.floor(slot / ((length / divisor) * period)) % divisor;
}

/**
 * Where each cell of a group begins, so that the cells together also use all items equally often (to within one): each
 * continues where the one before it stopped.
 * @param cells samples of each cell of the group, and the period of the rest of them
 * @returns what to add to each cell's turns (mod length)
 */
export function cycleOffsets(cells: readonly { quota: number; period: number }[], length: number): number[] {
  let next = 0;
  return cells.map(({ quota, period }) => {
    // The unfinished cycle at the cell's end is the only part that is uneven: it is to begin at `next`.
    const rest = quota % length;
    const begin = (next - shift(quota - rest, length, period) + length) % length;
    next = (next + rest) % length;
    return begin;
  });
}

/** (sqrt(5) - 1) / 2: multiples of it fall as evenly as can be (H. Weyl 1916; Knuth, TAOCP 3, section 6.4). */
const GOLDEN = 0.6180339887498949;

/** A step through a cycle of `length` that visits all of it and is never long in one region. */
export function stride(length: number): number {
  const ideal = Math.max(1, Math.round(length * GOLDEN));
  for (let away = 0; ; away++) {
    if (gcd(ideal + away, length) === 1) return ideal + away;
    if (ideal > away && gcd(ideal - away, length) === 1) return ideal - away;
  }
}
