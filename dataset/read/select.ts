import { indexOfPlace, placesBetween } from '../../contract/plan/order.ts';
import type { Wanted } from './source.ts';

/** Which samples the selected cells have, by the plan's own arithmetic: nothing is read for it. */

/** Axis values to keep; an axis that is not named keeps all. */
export type Where = Readonly<Record<string, string>>;

/** A wanted image of the selection. */
export interface Selected {
  readonly index: number;
  /** Position in the grid. */
  readonly cell: number;
}

/** Positions of the cells that a selection keeps, in order of the grid. */
export function cellsWhere({ cells }: Pick<Wanted, 'cells'>, where: Where): number[] {
  const conditions = Object.entries(where);
  return cells.flatMap(({ axes }, i) =>
    conditions.every(([axis, value]) => Object.hasOwn(axes, axis) && axes[axis] === value) ? [i] : [],
  );
}

/** Samples `start` to `end` (exclusive) of some cells, in order of their index, and how many there are in all. */
export function selectSamples(
  { cells }: Pick<Wanted, 'cells'>,
  selected: readonly number[],
  { start, end }: { start: number; end: number },
): { total: number; samples: Selected[] } {
  const quotas = cells.map(({ wanted }) => wanted);
  const alone = selected.map((cell) => quotas[cell]!);
  const total = alone.reduce((sum, quota) => sum + quota, 0);
  const places = placesBetween(alone, Math.min(start, total), Math.min(end, total));
  const samples = places.map(({ cell, slot }) => ({
    index: indexOfPlace(quotas, { cell: selected[cell]!, slot }),
    cell: selected[cell]!,
  }));
  return { total, samples };
}

/** The cell of a sample; null when the plan has no such sample. */
export function cellOfSample({ cells }: Pick<Wanted, 'cells'>, index: number): number | null {
  const quotas = cells.map(({ wanted }) => wanted);
  const total = quotas.reduce((sum, quota) => sum + quota, 0);
  if (!Number.isInteger(index) || index < 0 || index >= total) return null;
  return placesBetween(quotas, index, index + 1)[0]!.cell;
}
