import { placesBetween } from '../../contract/plan/order.ts';
import { indexOfMember, memberCells, memberPlaces } from '../../contract/plan/pairs.ts';
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

type Cells = Pick<Wanted, 'cells' | 'dataset' | 'first'>;

/** The cells of each pair; each cell by itself without pairs. */
const membersOf = ({ cells, dataset }: Cells): number[][] =>
  memberCells(
    cells.map(({ cell }) => cell),
    dataset.spec.quota,
  );

/** Samples `start` to `end` (exclusive) of some cells, in order of their index, and how many there are in all. */
export function selectSamples(
  wanted: Cells,
  selected: readonly number[],
  { start, end }: { start: number; end: number },
): { total: number; samples: Selected[] } {
  const quotas = wanted.cells.map((cell) => cell.wanted);
  const members = membersOf(wanted);
  const { first = 0 } = wanted;
  const chosen = new Set(selected);
  // Of equal positions, the order of the pairs decides.
  const ordered = members.flat().filter((cell) => chosen.has(cell));
  const alone = ordered.map((cell) => quotas[cell]!);
  const total = alone.reduce((sum, quota) => sum + quota, 0);
  const places = placesBetween(alone, Math.min(start, total), Math.min(end, total));
  const samples = places.map(({ cell, slot }) => ({
    index: first + indexOfMember(quotas, members, { cell: ordered[cell]!, slot }),
    cell: ordered[cell]!,
  }));
  return { total, samples };
}

/** The cell of a sample; null when the plan has no such sample. */
export function cellOfSample(wanted: Cells, index: number): number | null {
  const quotas = wanted.cells.map((cell) => cell.wanted);
  const total = quotas.reduce((sum, quota) => sum + quota, 0);
  const position = index - (wanted.first ?? 0);
  if (!Number.isInteger(position) || position < 0 || position >= total) return null;
  return memberPlaces(quotas, membersOf(wanted), position, position + 1)[0]!.cell;
}
