/** The 97.5 % quantile of the standard normal distribution: both ends together leave 5 % out. */
const Z = 1.959963984540054;

/** The 95 % interval of a share, after Wilson (1927). `whole` is at least 1. */
export function wilson(part: number, whole: number): [number, number] {
  const [share, z2] = [part / whole, Z ** 2];
  const middle = share + z2 / (2 * whole);
  const half = Z * Math.sqrt((share * (1 - share)) / whole + z2 / (4 * whole ** 2));
  const scale = 1 + z2 / whole;
  return [Math.max(0, (middle - half) / scale), Math.min(1, (middle + half) / scale)];
}
