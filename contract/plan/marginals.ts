import type { Grid } from './grid.ts';

/** Raking: a joint table with given marginals, by iterative proportional fitting (Deming and Stephan 1940). */

export type Shares = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Marginal {
  readonly axis: string;
  readonly value: string;
  /** The share asked for. */
  readonly wanted: number;
  /** The share that the fitted table reaches. */
  readonly reached: number;
}

export interface Fit {
  /** One weight per allowed cell; they add up to 1. */
  readonly weights: readonly number[];
  /** Marginals that exclusions make impossible; empty when the fit succeeded. */
  readonly conflicts: readonly Marginal[];
}

const SWEEPS = 20_000;
const CONVERGED = 1e-12;
/** Where the fit ends this far from a share although it has settled, no table with these marginals exists. */
const INFEASIBLE = 1e-4;

/** Fits the allowed cells to the shares of each axis; an axis without shares is fitted to equal ones. */
export function fitMarginals(grid: Grid, shares: Shares): Fit {
  const targets = grid.axes.map((axis) =>
    axis.values.map((value) => shares[axis.name]?.[value] ?? 1 / axis.values.length),
  );
  const positions = grid.axes.map((axis, k) => {
    const index = new Map(axis.values.map((value, v) => [value, v]));
    return Int32Array.from(grid.cells, (cell) => index.get(cell.values[k]!)!);
  });
  const weights = new Float64Array(grid.cells.length).fill(1 / grid.cells.length);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let worst = 0;
    targets.forEach((target, k) => {
      worst = Math.max(worst, fitAxis(weights, positions[k]!, target));
    });
    if (worst < CONVERGED) break;
  }
  const conflicts = grid.axes.flatMap((axis, k) => {
    const sums = sumBy(weights, positions[k]!, axis.values.length);
    return axis.values.flatMap((value, v) => {
      const wanted = targets[k]![v]!;
      return Math.abs(sums[v]! - wanted) > INFEASIBLE ? [{ axis: axis.name, value, wanted, reached: sums[v]! }] : [];
    });
  });
  return { weights: [...weights], conflicts };
}

function sumBy(weights: Float64Array, positions: Int32Array, values: number): Float64Array {
  const sums = new Float64Array(values);
  for (let i = 0; i < weights.length; i++) sums[positions[i]!]! += weights[i]!;
  return sums;
}

/** Scales the table to one axis's target, in place; returns the largest distance that it had from it. */
function fitAxis(weights: Float64Array, positions: Int32Array, target: readonly number[]): number {
  const sums = sumBy(weights, positions, target.length);
  const factors = sums.map((sum, v) => (sum > 0 ? target[v]! / sum : 0));
  for (let i = 0; i < weights.length; i++) weights[i]! *= factors[positions[i]!]!;
  return sums.reduce((worst, sum, v) => Math.max(worst, Math.abs(sum - target[v]!)), 0);
}
