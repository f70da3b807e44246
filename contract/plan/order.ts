/**
 * The order of samples. Sample `slot` of a cell with quota q stands at (slot + 0.5) / q; all samples are sorted by that
 * position, ties by cell. So every prefix holds each cell to within one of its share.
 */

export interface Place {
  readonly cell: number;
  /** Which of the cell's samples, 0..quota-1. */
  readonly slot: number;
}

/** Cells whose positions are closer than this are compared exactly. */
const CLOSE = 1e-12;

const position = (slot: number, quota: number): number => (2 * slot + 1) / (2 * quota);

/** Sign of (2a+1)/(2p) - (2b+1)/(2q), without rounding. */
function comparePositions(a: number, p: number, b: number, q: number): number {
  const difference = position(a, p) - position(b, q);
  if (Math.abs(difference) > CLOSE) return difference;
  const exact = BigInt(2 * a + 1) * BigInt(q) - BigInt(2 * b + 1) * BigInt(p);
  return exact < 0n ? -1 : exact > 0n ? 1 : 0;
}

/**
 * The samples with global indices `start` to `end` (exclusive), in order.
 *
 * A cell has between q·x - 1/2 and q·x + 1/2 samples below position x, so all C cells together have at most C/2 more
 * or fewer than N·x. A window of positions widened by that much holds every sample wanted and at most about 2C others:
 * time O((C + end - start) log), memory the same, whatever N is.
 */
export function placesBetween(quotas: readonly number[], start: number, end: number): Place[] {
  const total = quotas.reduce((sum, quota) => sum + quota, 0);
  if (start < 0 || end > total || start > end) throw new RangeError(`samples ${start} to ${end} of ${total}`);
  const slack = quotas.length / 2 + 2;
  const low = (start - slack) / total;
  const high = (end + slack) / total;
  const window: Place[] = [];
  let before = 0;
  quotas.forEach((quota, cell) => {
    const first = Math.min(quota, Math.max(0, Math.ceil(low * quota - 0.5)));
    const last = Math.min(quota, Math.max(first, Math.ceil(high * quota - 0.5)));
    before += first;
    for (let slot = first; slot < last; slot++) window.push({ cell, slot });
  });
  window.sort((a, b) => comparePositions(a.slot, quotas[a.cell]!, b.slot, quotas[b.cell]!) || a.cell - b.cell);
  return window.slice(start - before, end - before);
}
