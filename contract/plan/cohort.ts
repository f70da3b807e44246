import type { Path } from '../schema/issue.ts';
import type { ColumnMap } from '../schema/spec.ts';
import { checkHeader, noRows, type Row, readAxis } from './columns.ts';
import type { Grid } from './grid.ts';

/** Counting a real cohort by cell. */

const PATH: Path = ['spec', 'quota', 'allocation', 'cohort'];

export interface CohortCounts {
  /** Images per allowed cell; fractions where an axis is not known. */
  readonly counts: readonly number[];
  readonly rows: number;
  /** Rows that lie in no allowed cell (another age, another finding). */
  readonly outside: number;
  /** Rows that count in several cells, since they name several values of an axis. */
  readonly multiple: number;
  /** Axes that the cohort says nothing about; its images are spread evenly over their values. */
  readonly unknownAxes: readonly string[];
}

/**
 * Counts a cohort's rows by cell. An image that names several findings counts once for each of them; one whose cell is
 * known but for some axes counts as equal parts of an image in each allowed cell that it may be in.
 * @throws SpecError when the CSV lacks a column, or has no rows
 */
export function countCohort(grid: Grid, columns: ColumnMap, rows: Iterable<Row>): CohortCounts {
  const known = grid.axes.map((axis) => (Object.hasOwn(columns, axis.name) ? columns[axis.name]! : null));
  const ordinals = cellsByKnownValues(grid, known);
  // Whole images are added up by key and spread over cells at the end: exact, whatever the order of the rows.
  const images = new Map<string, number>();
  let [total, outside, multiple] = [0, 0, 0];
  for (const row of rows) {
    if (total++ === 0)
      checkHeader(
        Object.values(columns).map(({ name }) => name),
        row,
        PATH,
      );
    const readings = grid.axes.flatMap((axis, k) => (known[k] ? [readAxis(axis, known[k], row).values] : []));
    const keys = product(readings).filter((key) => ordinals.has(key));
    if (keys.length === 0) outside++;
    if (keys.length > 1) multiple++;
    for (const key of keys) images.set(key, (images.get(key) ?? 0) + 1);
  }
  if (total === 0) noRows(PATH);
  const counts = new Array<number>(grid.cells.length).fill(0);
  for (const [key, n] of images) for (const i of ordinals.get(key)!) counts[i] = n / ordinals.get(key)!.length;
  const unknownAxes = grid.axes.flatMap((axis, k) => (known[k] ? [] : [axis.name]));
  return { counts, rows: total, outside, multiple, unknownAxes };
}

/** The allowed cells by their joined values of the axes that the cohort knows. */
function cellsByKnownValues(grid: Grid, known: readonly unknown[]): Map<string, number[]> {
  const byKey = new Map<string, number[]>();
  for (const { ordinal, values } of grid.cells) {
    const key = values.filter((_, k) => known[k]).join('\0');
    const same = byKey.get(key);
    if (same) same.push(ordinal);
    else byKey.set(key, [ordinal]);
  }
  return byKey;
}

/** The joined combinations of one value from each list. */
function product(lists: readonly (readonly string[])[]): readonly string[] {
  const [first = [''], ...others] = lists;
  return others.reduce((keys, list) => keys.flatMap((key) => list.map((value) => `${key}\0${value}`)), first);
}
