import { JOINER } from '../../contract/plan/combinations.ts';

/** The groups of a cohort that figures are given for: all of it, the values of single axes, and cells. */

/** Values by axis. */
export type Group = Readonly<Record<string, string>>;

/**
 * The groups of a cohort, the whole first. Where there is one axis only, its values are the cells.
 * @param cells the values of all axes of each cell, in order of the grid
 */
export function groupsOf(cells: readonly Group[]): readonly Group[] {
  const axes = Object.keys(cells[0] ?? {});
  const single = axes.flatMap((axis) =>
    [...new Set(cells.map((cell) => cell[axis]!))].map((value): Group => ({ [axis]: value })),
  );
  return [{}, ...single, ...(axes.length > 1 ? cells : [])];
}

/** Whether an image is of a group; one that has several values of an axis (`edema|effusion`) is of the group of each. */
export const isOf = (group: Group, image: Group): boolean =>
  Object.entries(group).every(([axis, value]) => Object.hasOwn(image, axis) && image[axis]!.split('|').includes(value));

/** Gives images whose values (`edema|effusion`) are just those of a combination of the cells the value of that combination. */
export function combinerOf(cells: readonly Group[]): (image: Group) => Group {
  const combinations = new Map<string, string>();
  const nameOf = (axis: string, values: readonly string[]): string => JSON.stringify([axis, ...[...values].sort()]);
  for (const cell of cells)
    for (const [axis, value] of Object.entries(cell))
      if (value.includes(JOINER)) combinations.set(nameOf(axis, value.split(JOINER)), value);
  if (combinations.size === 0) return (image) => image;
  return (image) =>
    Object.fromEntries(
      Object.entries(image).map(([axis, text]) => [axis, combinations.get(nameOf(axis, text.split('|'))) ?? text]),
    );
}

/** The name of a group, for messages and keys. */
export const groupName = (group: Group): string =>
  Object.entries(group)
    .map(([axis, value]) => `${axis}=${value}`)
    .join(',') || 'all';
