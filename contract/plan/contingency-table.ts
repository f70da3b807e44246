import type { Grid } from './grid.ts';

/** A joint table over the allowed cells, with its marginals numbered through: value v of axis k is `offsets[k] + v`. */
export interface ContingencyTable {
  /** Share of each cell. */
  readonly weights: Float64Array;
  /** For each axis, the number of each cell's marginal. */
  readonly positions: readonly Int32Array[];
  readonly offsets: readonly number[];
  /** For each marginal, its axis. */
  readonly axisOf: readonly number[];
  /** For each marginal, the share wanted. */
  readonly targets: Float64Array;
  /** The marginals that the weights have. */
  sums(cellValues?: Float64Array): Float64Array;
  /** Multiplies each cell by its marginals' factors. */
  scale(factors: Float64Array): void;
}

/** An even table of the grid's cells, without those of a value whose wanted share is 0. */
export function buildTable(grid: Grid, wanted: readonly (readonly number[])[]): ContingencyTable {
  const offsets = wanted.map((_, k) => wanted.slice(0, k).reduce((sum, list) => sum + list.length, 0));
  const positions = grid.axes.map((axis, k) => {
    const number = new Map(axis.values.map((value, v) => [value, offsets[k]! + v]));
    return Int32Array.from(grid.cells, (cell) => number.get(cell.values[k]!)!);
  });
  const targets = Float64Array.from(wanted.flat());
  const weights = Float64Array.from(grid.cells, (_, i) =>
    positions.some((axis) => targets[axis[i]!] === 0) ? 0 : 1 / grid.cells.length,
  );
  const sums = (cellValues = weights): Float64Array => {
    const result = new Float64Array(targets.length);
    for (const axis of positions) for (let i = 0; i < axis.length; i++) result[axis[i]!]! += cellValues[i]!;
    return result;
  };
  const scale = (factors: Float64Array): void => {
    for (const axis of positions) for (let i = 0; i < axis.length; i++) weights[i]! *= factors[axis[i]!]!;
  };
  return { weights, positions, offsets, axisOf: wanted.flatMap((list, k) => list.map(() => k)), targets, sums, scale };
}
