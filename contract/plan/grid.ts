import type { Quota } from '../schema/spec.ts';
import { combinationsOf, valuesOf } from './combinations.ts';
import { partialMatcher } from './partial.ts';

/** The quota grid: axes and the allowed cells, in an order that the spelling of the spec does not change. */

/** An inclusive range of whole numbers. */
export interface Bin {
  readonly low: number;
  readonly high: number;
}

export interface Axis {
  readonly name: string;
  /** Names of the categories and combinations, or the bins as written ("18-39"); sorted (bins by number). */
  readonly values: readonly string[];
  /** For an axis of numbers, the range of each value. */
  readonly bins: readonly Bin[] | null;
  /** The values that are sets of others, by name. */
  readonly combinations?: ReadonlyMap<string, readonly string[]>;
}

/** One combination of axis values. */
export interface Cell {
  /** Position in the grid's list of allowed cells. */
  readonly ordinal: number;
  /** `age=18-39,finding=edema,…`: axes in order of name. */
  readonly id: string;
  /** One value per axis, in the order of `Grid.axes`. */
  readonly values: readonly string[];
}

export interface Grid {
  readonly axes: readonly Axis[];
  readonly cells: readonly Cell[];
  /** Cells before exclusion. */
  readonly combinations: number;
}

/** More cells than this is a spelling mistake: no cohort fills them. */
export const MAX_CELLS = 200_000;

/** Reads "18-39". The schema has checked the form. */
export function parseBin(text: string): Bin {
  const [low, high] = text.split('-').map(Number);
  return { low: low!, high: high! };
}

/** The number of combinations of the axes, before exclusion. */
export function countCombinations(axes: Quota['axes']): number {
  return Object.values(axes).reduce((product, axis) => product * valuesOf(axis).length, 1);
}

/** Builds the grid of a checked quota. Time and memory O(combinations). @throws RangeError beyond MAX_CELLS of them */
export function buildGrid(quota: Pick<Quota, 'axes' | 'exclude'>): Grid {
  const axes = Object.entries(quota.axes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, axis]) => sortedAxis(name, axis));
  const combinations = countCombinations(quota.axes);
  if (combinations > MAX_CELLS) throw new RangeError(`${combinations} combinations; the most is ${MAX_CELLS}`);
  const excludedBy = partialMatcher(axes, quota.exclude);
  const cells: Cell[] = [];
  for (let i = 0; i < combinations; i++) {
    const values = combination(axes, i);
    if (excludedBy(values).length > 0) continue;
    const id = axes.map((axis, k) => `${axis.name}=${values[k]}`).join(',');
    cells.push({ ordinal: cells.length, id, values });
  }
  return { axes, cells, combinations };
}

function sortedAxis(name: string, axis: Quota['axes'][string]): Axis {
  const combinations = axis.combinations && { combinations: combinationsOf(axis) };
  if (!axis.bins) return { name, values: [...valuesOf(axis)].sort(), bins: null, ...combinations };
  const sorted = [...axis.bins].sort((a, b) => parseBin(a).low - parseBin(b).low);
  return { name, values: sorted, bins: sorted.map(parseBin) };
}

/** The i-th combination in mixed radix, the last axis fastest. */
function combination(axes: readonly Axis[], i: number): string[] {
  const values = new Array<string>(axes.length);
  let rest = i;
  for (let k = axes.length - 1; k >= 0; k--) {
    const list = axes[k]!.values;
    values[k] = list[rest % list.length]!;
    rest = Math.floor(rest / list.length);
  }
  return values;
}

/** The values that one of an axis combines; that value alone where it combines none. */
export const setOf = ({ combinations }: Axis, value: string): readonly string[] => combinations?.get(value) ?? [value];

/** A cell's values by axis name. */
export function cellRecord(grid: Grid, cell: Cell): Record<string, string> {
  return Object.fromEntries(grid.axes.map((axis, k) => [axis.name, cell.values[k]!]));
}
