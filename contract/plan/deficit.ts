import { shareInterval } from '../interval.ts';
import type { CellMisses, Missed } from './evaluation.ts';

/**
 * Deficit: images go where a model misses more than it does overall.
 *
 * A cell's weight is max(1, low / overall) ^ power. `overall` is the share of all images of the cell's finding that the
 * model misses, `low` the lower end of the 95 % interval of that share within the cell's group (E. B. Wilson 1927), so that
 * only the part of a deficit counts that is not chance. A cell without a deficit weighs 1; where there is none, the weights
 * are those of Balanced.
 *
 * Why a power: where the reducible error of a group falls with its training images as a / n^p, with p the same for all
 * (E. Rolf et al. 2021, "Representation Matters"), the ratio of the errors at equal n is that of the a. The sum of all
 * errors is least with n in proportion to a^(1 / (1 + p)), which for p = 1 is the allocation of J. Neyman (1934) and a power
 * of 1/2; all errors are equal with n in proportion to a^(1 / p), for p = 1 a power of 1.
 */

/**
 * The lower end of the interval of a share by Wilson's score, with people counted, not images: those of one person are
 * alike. It is 0 where nothing is missed.
 */
export function lowerEnd({ errors, of, patients }: Missed): number {
  const n = Math.min(of, patients);
  if (n === 0 || errors === 0) return 0;
  return shareInterval(errors / of, n)[0];
}

/** The share of the images that are missed; 0 without images. */
const rateOf = ({ errors, of }: Missed): number => (of === 0 ? 0 : errors / of);

/** The miss rate of a cell beyond chance, as a multiple of the overall one; at least 1. */
export function deficitOf(cell: CellMisses | null): number {
  if (!cell) return 1;
  const overall = rateOf(cell.overall);
  return overall === 0 ? 1 : Math.max(1, lowerEnd(cell.group) / overall);
}

/** The weight of each cell; one of which nothing is known is taken as missed as often as overall. */
export const weighDeficits = (cells: readonly (CellMisses | null)[], power: number): number[] =>
  cells.map((cell) => deficitOf(cell) ** power);
