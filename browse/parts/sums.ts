import { addRejected, emptyTally, type Tally } from '../../contract/account/tally.ts';
import type { AxisView, DatasetView } from '../wire.ts';
import type { State } from './state.ts';

/** Adding up the cells of a dataset. */

type View = Pick<DatasetView, 'axes' | 'cells'>;

function add(sum: Tally, { cells }: View, cell: number): void {
  sum.wanted += cells.wanted[cell]!;
  sum.accepted += cells.accepted[cell]!;
  sum.exhausted += cells.exhausted[cell]!;
  sum.attempts += cells.attempts[cell]!;
  for (const [gate, counts] of Object.entries(cells.rejected)) {
    if (counts[cell]! > 0) addRejected(sum, gate, counts[cell]!);
  }
}

/** Positions of the cells that have all these values. */
export function cellsWhere({ axes, cells }: View, where: State['where']): number[] {
  const conditions = axes.flatMap(({ name, values, ofCell }) =>
    Object.hasOwn(where, name) ? [{ ofCell, position: values.indexOf(where[name]!) }] : [],
  );
  return cells.wanted.flatMap((_, cell) =>
    conditions.every(({ ofCell, position }) => ofCell[cell] === position) ? [cell] : [],
  );
}

export function sumOf(view: View, cells: Iterable<number>): Tally {
  const sum = emptyTally();
  for (const cell of cells) add(sum, view, cell);
  return sum;
}

/** Sums by the values of two axes (of one, when `columns` is null) over the cells that the other axes keep. */
export function sumGrid(
  view: View,
  rows: AxisView,
  columns: AxisView | null,
  where: State['where'],
): (row: number, column: number) => Tally | null {
  const others = Object.fromEntries(
    Object.entries(where).filter(([axis]) => axis !== rows.name && axis !== columns?.name),
  );
  const width = columns?.values.length ?? 1;
  const sums = new Map<number, Tally>();
  for (const cell of cellsWhere(view, others)) {
    const place = rows.ofCell[cell]! * width + (columns?.ofCell[cell] ?? 0);
    const sum = sums.get(place) ?? emptyTally();
    sums.set(place, sum);
    add(sum, view, cell);
  }
  return (row, column) => sums.get(row * width + column) ?? null;
}

/** The cells with the lowest acceptance, those without attempts left out. */
export function hardestCells({ cells }: View, selected: readonly number[], limit: number): number[] {
  const rate = (cell: number): number => cells.accepted[cell]! / cells.attempts[cell]!;
  return selected
    .filter((cell) => cells.attempts[cell]! > 0)
    .sort((a, b) => rate(a) - rate(b) || a - b)
    .slice(0, limit);
}

/** A cell's values by axis. */
export const valuesOf = ({ axes }: View, cell: number): Record<string, string> =>
  Object.fromEntries(axes.map(({ name, values, ofCell }) => [name, values[ofCell[cell]!]!]));
