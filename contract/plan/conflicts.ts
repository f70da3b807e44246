import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import type { Cell, Grid } from './grid.ts';
import type { Marginal, Targets } from './marginals.ts';

/** Why no table has the wanted shares: values that exclusions leave too little room for. */

const SHARES: Path = ['spec', 'quota', 'allocation', 'shares'];
const REMEDY = 'change the shares or spec.quota.exclude';
/** Differences below this are rounding. */
const NOISE = 1e-9;

const percent = (share: number): string => `${Number((100 * share).toPrecision(6))} %`;

/** Values whose own share does not fit beside that of the values of some other axis that they may meet. */
export function crowdedValues(grid: Grid, targets: Targets): Issue[] {
  const usable = usableCells(grid, targets);
  return grid.axes.flatMap((axis, k) =>
    axis.values.flatMap((value, v): Issue[] => {
      const wanted = targets[k]![v]!;
      const path = [...SHARES, axis.name, value];
      if (wanted === 0) return [];
      if (!grid.cells.some((cell) => cell.values[k] === value)) {
        return [issueAt(path, `${percent(wanted)} is wanted, but spec.quota.exclude leaves no cell; set it to 0`)];
      }
      const room = tightest(grid, targets, usable, k, [value]);
      if (room.share >= wanted - NOISE) return [];
      return [
        issueAt(path, `${percent(wanted)} is wanted, but exclusions allow it only with ${room.names}; ${REMEDY}`),
      ];
    }),
  );
}

/** The constraints that keep a fit from its marginals. */
export function explainConflicts(grid: Grid, targets: Targets, conflicts: readonly Marginal[]): Issue[] {
  const usable = usableCells(grid, targets);
  const short = conflicts.filter(({ wanted, reached }) => reached < wanted);
  const crowded = grid.axes.flatMap((axis, k): Issue[] => {
    const values = short.filter((marginal) => marginal.axis === axis.name).map(({ value }) => value);
    if (values.length === 0) return [];
    const wanted = sumOf(grid, targets, k, values);
    const room = tightest(grid, targets, usable, k, values);
    if (room.share >= wanted - NOISE) return [];
    const together = `${listed(values)} want ${percent(wanted)} together`;
    return [
      issueAt([...SHARES, axis.name], `${together}, but exclusions allow them only with ${room.names}; ${REMEDY}`),
    ];
  });
  if (crowded.length > 0) return crowded;
  return short.map(({ axis, value, wanted, reached }) => {
    const nearest = `the nearest table that the other shares and the exclusions allow has ${percent(reached)}`;
    return issueAt([...SHARES, axis, value], `${percent(wanted)} is wanted, but ${nearest}; ${REMEDY}`);
  });
}

/** Cells that no share of 0 empties. */
function usableCells(grid: Grid, targets: Targets): Cell[] {
  const empty = grid.axes.map((axis, k) => new Set(axis.values.filter((_, v) => targets[k]![v] === 0)));
  return grid.cells.filter((cell) => cell.values.every((value, k) => !empty[k]!.has(value)));
}

function sumOf(grid: Grid, targets: Targets, k: number, values: Iterable<string>): number {
  return [...values].reduce((sum, value) => sum + targets[k]![grid.axes[k]!.values.indexOf(value)]!, 0);
}

/** The other axis whose values leave the least room: the share of those that the given values may meet. */
function tightest(
  grid: Grid,
  targets: Targets,
  usable: readonly Cell[],
  k: number,
  values: readonly string[],
): { share: number; names: string } {
  const cells = usable.filter((cell) => values.includes(cell.values[k]!));
  const rooms = grid.axes.flatMap((axis, o) => {
    if (o === k) return [];
    const partners = new Set(cells.map((cell) => cell.values[o]!));
    const share = sumOf(grid, targets, o, partners);
    const names = `${axis.name} ${listed([...partners])}`;
    return [{ share, names: partners.size === 0 ? 'values that have no share' : `${names} (${percent(share)})` }];
  });
  return rooms.sort((a, b) => a.share - b.share)[0] ?? { share: 1, names: '' };
}
