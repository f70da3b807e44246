import { addRejected, emptyTally, type Tally } from '../../contract/account/tally.ts';
import type { AxisView, DatasetView } from '../wire.ts';

/** Adding up the cells of a dataset. */

export type Grid = Pick<DatasetView, 'axes' | 'cells'>;

/** Values kept, by axis. */
export type Where = Readonly<Record<string, string>>;

function add(sum: Tally, { cells }: Grid, cell: number): void {
  sum.wanted += cells.wanted[cell]!;
  sum.accepted += cells.accepted[cell]!;
  sum.exhausted += cells.exhausted[cell]!;
  sum.attempts += cells.attempts[cell]!;
  for (const [gate, counts] of Object.entries(cells.rejected)) {
    if (counts[cell]! > 0) addRejected(sum, gate, counts[cell]!);
  }
}

/** Positions of the cells that have all these values. */
export function cellsWhere({ axes, cells }: Grid, where: Where): number[] {
  const conditions = axes.flatMap(({ name, values, ofCell }) =>
    Object.hasOwn(where, name) ? [{ ofCell, position: values.indexOf(where[name]!) }] : [],
  );
  return cells.wanted.flatMap((_, cell) =>
    conditions.every(({ ofCell, position }) => ofCell[cell] === position) ? [cell] : [],
  );
}

export function sumOf(grid: Grid, cells: Iterable<number>): Tally {
  const sum = emptyTally();
  for (const cell of cells) add(sum, grid, cell);
  return sum;
}

/** Sums by the values of two axes (of one, when `columns` is null) over the cells that the other axes keep. */
export function sumGrid(
  grid: Grid,
  rows: AxisView,
  columns: AxisView | null,
  where: Where,
): (row: number, column: number) => Tally | null {
  const others = Object.fromEntries(
    Object.entries(where).filter(([axis]) => axis !== rows.name && axis !== columns?.name),
  );
  const width = columns?.values.length ?? 1;
  const sums = new Map<number, Tally>();
  for (const cell of cellsWhere(grid, others)) {
    const place = rows.ofCell[cell]! * width + (columns?.ofCell[cell] ?? 0);
    const sum = sums.get(place) ?? emptyTally();
    sums.set(place, sum);
    add(sum, grid, cell);
  }
  return (row, column) => sums.get(row * width + column) ?? null;
}

/** The cells with the lowest acceptance, those without attempts left out. */
export function hardestCells({ cells }: Grid, selected: readonly number[], limit: number): number[] {
  const rate = (cell: number): number => cells.accepted[cell]! / cells.attempts[cell]!;
  return selected
    .filter((cell) => cells.attempts[cell]! > 0)
    .sort((a, b) => rate(a) - rate(b) || a - b)
    .slice(0, limit);
}

/** A cell's values by axis. */
export const valuesOf = ({ axes }: Grid, cell: number): Record<string, string> =>
  Object.fromEntries(axes.map(({ name, values, ofCell }) => [name, values[ofCell[cell]!]!]));

/** The gates that rejected images of a cell, the strictest first. */
export const rejectors = ({ cells }: Grid, cell: number): [gate: string, n: number][] =>
  Object.entries(cells.rejected)
    .map(([gate, counts]): [string, number] => [gate, counts[cell]!])
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a);

/** The value of a gate's axis of which it rejected the largest share; null where it rejected nothing. */
export function hardestValue(
  grid: Grid,
  cells: readonly number[],
  gate: { readonly name: string; readonly axis: string },
): { value: string; rejected: number; attempts: number } | null {
  const axis = grid.axes.find(({ name }) => name === gate.axis);
  if (!axis) return null;
  const sums = [...Map.groupBy(cells, (cell) => axis.ofCell[cell]!)].map(([position, some]) => {
    const { rejected, attempts } = sumOf(grid, some);
    return { value: axis.values[position]!, rejected: rejected.get(gate.name) ?? 0, attempts };
  });
  const share = ({ rejected, attempts }: (typeof sums)[number]): number => rejected / Math.max(1, attempts);
  return sums.reduce<(typeof sums)[number] | null>(
    (most, sum) => (share(sum) > (most === null ? 0 : share(most)) ? sum : most),
    null,
  );
}
