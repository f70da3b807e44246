/** The 97.5 % quantile of the standard normal distribution: both ends together leave 5 % out. */
const Z = 1.959963984540054;

/** The 95 % interval of a share of `n` by the score of E. B. Wilson (1927). `n` is at least 1. */
export function shareInterval(share: number, n: number): [number, number] {
  const middle = share + Z ** 2 / (2 * n);
  const half = Z * Math.sqrt((share * (1 - share)) / n + (Z / (2 * n)) ** 2);
  const scale = 1 + Z ** 2 / n;
  return [Math.max(0, (middle - half) / scale), Math.min(1, (middle + half) / scale)];
}

/** The same of a part of a whole. */
export const wilson = (part: number, whole: number): [number, number] => shareInterval(part / whole, whole);
