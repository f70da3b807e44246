import type { Axis } from './grid.ts';

/** Partial cells, which name some of the axes, such as {finding: edema, age: "18-39"}. */

export type PartialCell = Readonly<Record<string, string>>;

/**
 * Prepares finding which of many partial cells agree with a full one on every axis that they name: one look-up for each
 * set of axes that occurs, instead of a comparison with each.
 * @returns for the values of a cell (in the order of `axes`), the positions in `partials`, ascending
 */
export function partialMatcher(
  axes: readonly Axis[],
  partials: readonly PartialCell[],
): (values: readonly string[]) => number[] {
  const groups = new Map<string, { named: number[]; byValues: Map<string, number[]> }>();
  partials.forEach((partial, i) => {
    const named = axes.flatMap((axis, k) => (Object.hasOwn(partial, axis.name) ? [k] : []));
    const group = groups.get(named.join()) ?? { named, byValues: new Map<string, number[]>() };
    groups.set(named.join(), group);
    const key = named.map((k) => partial[axes[k]!.name]).join('\0');
    const same = group.byValues.get(key);
    if (same) same.push(i);
    else group.byValues.set(key, [i]);
  });
  return (values) => {
    const found = [...groups.values()].flatMap(({ named, byValues }) => {
      return byValues.get(named.map((k) => values[k]).join('\0')) ?? [];
    });
    return found.sort((a, b) => a - b);
  };
}
