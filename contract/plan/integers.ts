import { sha256 } from '../digest.ts';

/** Turning real-valued shares into whole numbers that add up exactly. */

/** Rounding noise of the shares' computation, in samples; remainders closer than this count as equal. */
const NOISE = 1e-7;

/**
 * Scales weights to shares that add up to `total` with none below `min`: max(min, factor * weight) for the one factor
 * that makes the sum right. Weights that are all 0 are taken as equal.
 * @param weights none negative
 * @param total at least min for each weight
 */
export function scaleShares(weights: readonly number[], total: number, min: number): number[] {
  const wrong = weights.find((weight) => !Number.isFinite(weight));
  if (wrong !== undefined) throw new RangeError(`a weight is ${wrong}`);
  const largest = weights.reduce((a, b) => Math.max(a, b), 0);
  // Scaled to 1 first, so that sums and products neither overflow nor lose digits.
  const scaled = weights.map((weight) => (largest > 0 ? weight / largest : 1));
  const ascending = [...scaled].sort((a, b) => a - b);
  const above = new Float64Array(ascending.length + 1);
  for (let i = ascending.length - 1; i >= 0; i--) above[i] = above[i + 1]! + ascending[i]!;
  // The smallest weights fall short and get `min`; the larger ones share the rest. The largest, 1, never falls short.
  const factor = (short: number): number => (total - min * short) / above[short]!;
  const short = ascending.findIndex((weight, i) => factor(i) * weight >= min);
  return scaled.map((weight) => Math.max(min, factor(short) * weight));
}

/**
 * As `scaleShares`, with none above `max`: each share is factor * weight, kept between the two.
 * @param weights all above 0
 * @param max times the number of weights is at least `total`
 */
export function boundShares(weights: readonly number[], total: number, min: number, max: number): number[] {
  const full = weights.map(() => false);
  for (;;) {
    const open = weights.filter((_, i) => !full[i]);
    const shares = scaleShares(open, total - max * (weights.length - open.length), min).values();
    const all = full.map((isFull) => (isFull ? max : shares.next().value!));
    // The factor can only grow when others are cut off, so that a share above the most stays there.
    const over = all.flatMap((share, i) => (!full[i] && share > max ? [i] : []));
    if (over.length === 0 || over.length === open.length) return all.map((share) => Math.min(share, max));
    for (const i of over) full[i] = true;
  }
}

/**
 * Largest remainder (Hamilton's method): every share is rounded down, and what is left goes one by one to the largest
 * remainders. Equal remainders are ordered by a hash of the cell's id: independent of the order in which the spec
 * lists its values, and without favouring the first cells.
 * @param shares real numbers that add up to `total`
 * @returns whole numbers that add up to `total`, each within 1 of its share
 */
export function largestRemainder(shares: readonly number[], total: number, ids: readonly string[]): number[] {
  const floors = shares.map((share) => Math.floor(share + NOISE));
  const left = total - floors.reduce((sum, n) => sum + n, 0);
  const open = shares
    .map((share, i) => ({ i, remainder: share - floors[i]!, group: 0, tie: sha256(ids[i]!) }))
    .filter(({ remainder }) => remainder > NOISE)
    .sort((a, b) => b.remainder - a.remainder);
  open.forEach((cell, k) => {
    const above = open[k - 1];
    if (above) cell.group = above.remainder - cell.remainder <= NOISE ? above.group : above.group + 1;
  });
  open.sort((a, b) => a.group - b.group || (a.tie < b.tie ? -1 : 1));
  if (left < 0 || left > open.length) throw new RangeError(`shares do not add up to ${total}`);
  for (const { i } of open.slice(0, left)) floors[i]!++;
  return floors;
}
