import { buildTable, type ContingencyTable } from './contingency-table.ts';
import type { Grid } from './grid.ts';
import { takeNewtonStep } from './newton.ts';

/**
 * Raking: the joint table with given marginals that is otherwise as even as can be, by iterative proportional fitting
 * (Deming and Stephan 1940). Where exclusions make that slow, Newton steps on the dual problem speed it up: plain fitting
 * needs about 1/e sweeps to bring a cell that the marginals force to zero down to a share of e.
 */

export type Shares = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Wanted shares in the order of a grid's axes and values; each axis adds up to 1. */
export type Targets = readonly (readonly number[])[];

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
  /** Marginals that no table of these cells has; empty when the fit succeeded. */
  readonly conflicts: readonly Marginal[];
}

/** Largest distance from a share at which the fit is done. */
const CONVERGED = 1e-12;
/** A fit that settles this far from a share never reaches it. */
const INFEASIBLE = 1e-9;
/** Rounds of plain fitting before Newton steps join in, and rounds in all. */
const PLAIN = 20;
const ROUNDS = 300;
/** Rounds that may pass without halving the distance. */
const PATIENCE = 40;

/** The wanted shares; an axis without any is even. */
export function targetsOf(grid: Grid, shares: Shares): Targets {
  return grid.axes.map((axis) => {
    const given = Object.hasOwn(shares, axis.name) ? shares[axis.name]! : null;
    const raw = axis.values.map((value) => (given ? (Object.hasOwn(given, value) ? given[value]! : 0) : 1));
    const total = raw.reduce((sum, share) => sum + share, 0);
    return raw.map((share) => share / total);
  });
}

/** Fits the allowed cells to the wanted shares of each axis (see `targetsOf`). Time O(cells * axes) a sweep. */
export function fitMarginals(grid: Grid, targets: Targets): Fit {
  const table = buildTable(grid, targets);
  let mark = { worst: Number.POSITIVE_INFINITY, round: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const worst = sweep(table);
    if (worst <= CONVERGED) break;
    if (worst < mark.worst / 2) mark = { worst, round };
    if (round - mark.round > PATIENCE) break;
    if (round >= PLAIN) takeNewtonStep(table);
  }
  const sums = table.sums();
  const conflicts = grid.axes.flatMap((axis, k) =>
    axis.values.flatMap((value, v): Marginal[] => {
      const [wanted, reached] = [targets[k]![v]!, sums[table.offsets[k]! + v]!];
      return Math.abs(reached - wanted) > INFEASIBLE ? [{ axis: axis.name, value, wanted, reached }] : [];
    }),
  );
  return { weights: [...table.weights], conflicts };
}

/** Scales the table to each axis in turn; returns the largest distance from a share that is left. */
function sweep(table: ContingencyTable): number {
  for (let k = 0; k < table.positions.length; k++) {
    const sums = table.sums();
    table.scale(sums.map((sum, n) => (table.axisOf[n] === k && sum > 0 ? table.targets[n]! / sum : 1)));
  }
  return distance(table);
}

function distance(table: ContingencyTable): number {
  return table.sums().reduce((worst, sum, n) => Math.max(worst, Math.abs(sum - table.targets[n]!)), 0);
}
