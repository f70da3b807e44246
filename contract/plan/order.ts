/**
 * The order of samples. Sample `slot` of a cell with quota q stands at (slot + 0.5) / q; all samples are sorted by that
 * position, ties by cell.
 *
 * What this promises, for N samples in C cells:
 * - Every prefix reaches up to some position x, and holds q·x of each cell to within half an image. So cells grow in step:
 *   whatever the prefix, two cells are filled to the same fraction, to within half an image of each.
 * - The length of a prefix is then N·x to within C/2, so each cell is within (1 + q·C/N) / 2 of its share of the prefix:
 *   within one image where the cell's quota is at most the average N/C, as in a balanced grid.
 * - A shard is the difference of two prefixes: one image off at most from the fraction that all cells share in it.
 */

export interface Place {
  readonly cell: number;
  /** Which of the cell's samples, 0..quota-1. */
  readonly slot: number;
}

/** Sign of (2a+1)/(2p) - (2b+1)/(2q), without error: rounding never turns an order round, it can only make numbers equal. */
function comparePositions(a: number, p: number, b: number, q: number): number {
  const left = (2 * a + 1) * q;
  const right = (2 * b + 1) * p;
  if (left !== right || left <= Number.MAX_SAFE_INTEGER) return left - right;
  const exact = BigInt(2 * a + 1) * BigInt(q) - BigInt(2 * b + 1) * BigInt(p);
  return exact < 0n ? -1 : exact > 0n ? 1 : 0;
}

/**
 * The samples with global indices `start` to `end` (exclusive), in order.
 *
 * All C cells together have N·x samples below position x, to within C/2 (see above). A window of positions widened by
 * that much, and by 2 for rounding, holds every sample wanted and at most about 2C others: time
 * O((C + end - start) log), memory the same, whatever N is.
 */
export function placesBetween(quotas: readonly number[], start: number, end: number): Place[] {
  const total = quotas.reduce((sum, quota) => sum + quota, 0);
  const whole = Number.isInteger(start) && Number.isInteger(end);
  if (!whole || start < 0 || end > total || start > end) throw new RangeError(`samples ${start} to ${end} of ${total}`);
  if (start === end) return [];
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

/** The global index of a sample: the inverse of `placesBetween`. Time O(cells). @throws RangeError for a slot that the cell does not have */
export function indexOfPlace(quotas: readonly number[], place: Place): number {
  const quota = quotas[place.cell] ?? 0;
  if (!Number.isInteger(place.slot) || place.slot < 0 || place.slot >= quota) {
    throw new RangeError(`slot ${place.slot} of ${quota} in cell ${place.cell}`);
  }
  let before = 0;
  for (let cell = 0; cell < quotas.length; cell++) before += slotsBefore(quotas[cell]!, cell, place, quota);
  return before;
}

/** The number of samples of a cell with quota q before a position. */
function slotsBefore(q: number, cell: number, place: Place, quota: number): number {
  const isBefore = (slot: number): boolean => (comparePositions(slot, q, place.slot, quota) || cell - place.cell) < 0;
  // Within 1 of the answer, whatever rounding did.
  let count = Math.min(q, Math.max(0, Math.round(((place.slot + 0.5) / quota) * q)));
  while (count > 0 && !isBefore(count - 1)) count--;
  while (count < q && isBefore(count)) count++;
  return count;
}
