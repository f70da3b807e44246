import { type Issue, issueAt, SpecError } from '../schema/issue.ts';
import type { Quota } from '../schema/spec.ts';
import { valuesOf } from './combinations.ts';
import type { Grid } from './grid.ts';
import { indexOfPlace, type Place, placesBetween } from './order.ts';

/**
 * Counterfactual pairs: samples that share everything, seed included, but the value of one axis. A pair has a member for each
 * value of the axis (three for an axis of three), in cells that differ in nothing else, and its members follow one another.
 */

type Paired = Pick<Quota, 'axes' | 'pairs'>;

/** The samples of a pair; 1 without pairs. */
export function pairSize({ axes, pairs }: Paired): number {
  const axis = pairs && axes[pairs.axis];
  return axis ? valuesOf(axis).length : 1;
}

/** Cells that differ in the axis of the pairs alone, in order of the grid; each cell by itself without pairs. */
export function memberCells(ids: readonly string[], { pairs }: Pick<Quota, 'pairs'>): number[][] {
  if (!pairs) return ids.map((_, i) => [i]);
  const byRest = new Map<string, number[]>();
  for (const [i, id] of ids.entries()) {
    const rest = restOf(id, pairs.axis);
    const same = byRest.get(rest);
    if (same) same.push(i);
    else byRest.set(rest, [i]);
  }
  return [...byRest.values()];
}

/** The id of a cell without one axis; no name or value holds a comma or an equals sign. */
const restOf = (id: string, axis: string): string =>
  id
    .split(',')
    .filter((part) => !part.startsWith(`${axis}=`))
    .join(',');

/** More cells than this need not be listed to see what is wrong. */
const MAX_ISSUES = 20;

/** The cells of each pair of a grid. @throws SpecError that names cells without all members of their pair */
export function membersOf(grid: Grid, quota: Paired): number[][] {
  const size = pairSize(quota);
  const ids = grid.cells.map(({ id }) => id);
  const members = memberCells(ids, quota);
  const issues = members.flatMap((cells): Issue[] => {
    if (cells.length === size) return [];
    const { axis } = quota.pairs!;
    const message = `cell ${ids[cells[0]!]} has no cell for each value of ${axis}; give it all of them, or exclude or leave out all`;
    return [issueAt(['spec', 'quota', 'pairs', 'axis'], message)];
  });
  if (issues.length > 0) throw new SpecError(issues.slice(0, MAX_ISSUES));
  return members;
}

/** The samples with positions `start` to `end` (exclusive), where the members of each pair follow one another. */
export function memberPlaces(
  quotas: readonly number[],
  members: readonly number[][],
  start: number,
  end: number,
): Place[] {
  const size = members[0]!.length;
  const of = members.map(([first]) => quotas[first!]!);
  const first = Math.floor(start / size);
  const places = placesBetween(of, first, Math.ceil(end / size)).flatMap(({ cell, slot }) =>
    members[cell]!.map((member) => ({ cell: member, slot })),
  );
  return places.slice(start - first * size, end - first * size);
}

/** The position of a sample: the inverse of `memberPlaces`. */
export function indexOfMember(quotas: readonly number[], members: readonly number[][], { cell, slot }: Place): number {
  const pair = members.findIndex((cells) => cells.includes(cell));
  const of = members.map(([first]) => quotas[first!]!);
  return indexOfPlace(of, { cell: pair, slot }) * members[0]!.length + members[pair]!.indexOf(cell);
}
