import { sha256 } from '../digest.ts';

/** Turning real-valued shares into whole numbers that add up exactly. */

/** Rounding noise of the shares' computation, in samples; remainders closer than this count as equal. */
const NOISE = 1e-7;

/**
 * Scales weights to shares that add up to `total` with none below `min`: cells that would fall short get `min`, and
 * the rest is shared among the others in proportion to their weights.
 * @param weights at least one positive, none negative
 */
export function scaleShares(weights: readonly number[], total: number, min: number): number[] {
  const shares = new Array<number>(weights.length).fill(min);
  let open = weights.map((_, i) => i);
  for (;;) {
    const left = total - min * (weights.length - open.length);
    const weight = open.reduce((sum, i) => sum + weights[i]!, 0);
    const scaled = (i: number): number => (weight > 0 ? (left * weights[i]!) / weight : left / open.length);
    const enough = open.filter((i) => scaled(i) >= min);
    if (enough.length === open.length) {
      for (const i of open) shares[i] = scaled(i);
      return shares;
    }
    open = enough;
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
  const remainders = shares.map((share, i) => Math.round(Math.max(0, share - floors[i]!) / NOISE));
  const order = shares
    .map((_, i) => i)
    .map((i) => ({ i, remainder: remainders[i]!, tie: sha256(ids[i]!) }))
    .sort((a, b) => b.remainder - a.remainder || (a.tie < b.tie ? -1 : 1));
  for (const { i } of order.slice(0, left)) floors[i]!++;
  return floors;
}
