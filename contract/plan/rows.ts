import { type Issue, SpecError, show } from '../schema/issue.ts';
import type { ColumnMap, Quota } from '../schema/spec.ts';
import type { Axis, Grid } from './grid.ts';

/** Reading people out of CSV rows: a real cohort's table, or a list of wanted images. */

export type Row = Readonly<Record<string, string>>;

/** What one row says about one axis: the values it names that the grid has, and the number if the axis has numbers. */
interface Reading {
  readonly values: readonly string[];
  readonly number: number | null;
}

function readAxis(axis: Axis, column: ColumnMap[string], row: Row): Reading {
  const text = row[column.name]!;
  if (axis.bins) {
    // Ages are often written "057Y" or "57.0"; whole years count.
    const number = Math.floor(Number(/^\s*0*(\d+(?:\.\d+)?)Y?\s*$/.exec(text)?.[1] ?? Number.NaN));
    const i = axis.bins.findIndex((bin) => bin.low <= number && number <= bin.high);
    return { values: i < 0 ? [] : [axis.values[i]!], number };
  }
  const labels = (column.separator ? text.split(column.separator) : [text]).map((label) => label.trim());
  const named = labels.map((label) => (column.values ? column.values[label] : label));
  return {
    values: [...new Set(named.filter((value) => value !== undefined && axis.values.includes(value)))] as string[],
    number: null,
  };
}

function checkHeader(columns: ColumnMap, extra: readonly (string | undefined)[], row: Row, path: string): void {
  const header = Object.keys(row);
  const missing = [...Object.values(columns).map((column) => column.name), ...extra].filter(
    (name): name is string => name !== undefined && !header.includes(name),
  );
  if (missing.length === 0) return;
  throw new SpecError([
    {
      path,
      message: `the CSV has no column ${missing.map(show).join(', ')}; its columns are ${header.slice(0, 40).map(show).join(', ')}`,
    },
  ]);
}

/** A real cohort, counted by cell. */
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

/** Counts a cohort's rows by cell. An image that names several findings counts once for each of them. */
export function countCohort(grid: Grid, columns: ColumnMap, rows: Iterable<Row>): CohortCounts {
  const path = 'spec.quota.allocation.cohort';
  const known = grid.axes.map((axis) => columns[axis.name] ?? null);
  const byKnownValues = new Map<string, number[]>();
  grid.cells.forEach((cell) => {
    const key = cell.values.filter((_, k) => known[k]).join('\0');
    byKnownValues.set(key, [...(byKnownValues.get(key) ?? []), cell.ordinal]);
  });
  const counts = new Array<number>(grid.cells.length).fill(0);
  let [total, outside, multiple] = [0, 0, 0];
  for (const row of rows) {
    if (total++ === 0) checkHeader(columns, [], row, path);
    const readings = grid.axes.flatMap((axis, k) => (known[k] ? [readAxis(axis, known[k], row).values] : []));
    const cells = product(readings).flatMap((key) => byKnownValues.get(key) ?? []);
    const keys = product(readings).filter((key) => byKnownValues.has(key));
    if (keys.length === 0) outside++;
    if (keys.length > 1) multiple++;
    for (const ordinal of cells) counts[ordinal]! += keys.length / cells.length;
  }
  if (total === 0) throw new SpecError([{ path: `${path}.uri`, message: 'the CSV has no rows' }]);
  return {
    counts,
    rows: total,
    outside,
    multiple,
    unknownAxes: grid.axes.flatMap((axis, k) => (known[k] ? [] : [axis.name])),
  };
}

/** The joined combinations of one value from each list. */
function product(lists: readonly (readonly string[])[]): string[] {
  if (lists.length === 0) return [''];
  return lists
    .slice(1)
    .reduce<string[]>((keys, list) => keys.flatMap((key) => list.map((value) => `${key}\0${value}`)), [...lists[0]!]);
}

/** One wanted image of a Table. */
export interface WantedRow {
  readonly cell: number;
  readonly sourceId?: string;
  readonly exact: Readonly<Record<string, number>>;
  readonly impression?: string;
}

const MAX_ISSUES = 20;

/** Reads a Table: every row must lie in exactly one allowed cell. @throws SpecError that lists the rows that do not. */
export function readTable(
  grid: Grid,
  table: NonNullable<Quota['allocation']['table']>,
  rows: Iterable<Row>,
): WantedRow[] {
  const path = 'spec.quota.allocation.table';
  const ordinals = new Map(grid.cells.map((cell) => [cell.values.join('\0'), cell.ordinal]));
  const wanted: WantedRow[] = [];
  const issues: Issue[] = [];
  let number = 0;
  for (const row of rows) {
    if (number++ === 0) checkHeader(table.columns, [table.idColumn, table.impressionColumn], row, path);
    const result = readWanted(grid, table, row, ordinals);
    if (typeof result !== 'string') wanted.push(result);
    else if (issues.length < MAX_ISSUES) issues.push({ path: `${path} row ${number}`, message: result });
  }
  if (number === 0) issues.push({ path: `${path}.uri`, message: 'the CSV has no rows' });
  if (issues.length > 0) throw new SpecError(issues);
  return wanted;
}

function readWanted(
  grid: Grid,
  table: NonNullable<Quota['allocation']['table']>,
  row: Row,
  ordinals: ReadonlyMap<string, number>,
): WantedRow | string {
  const values: string[] = [];
  const exact: Record<string, number> = {};
  for (const axis of grid.axes) {
    const column = table.columns[axis.name]!;
    const reading = readAxis(axis, column, row);
    if (reading.values.length !== 1) {
      const fix = axis.bins ? 'add a bin or remove the row' : "map it in the column's values or remove the row";
      return `column ${show(column.name)} says ${show(row[column.name])}, which is no one value of axis ${axis.name}; ${fix}`;
    }
    values.push(reading.values[0]!);
    if (reading.number !== null) exact[axis.name] = reading.number;
  }
  const cell = ordinals.get(values.join('\0'));
  if (cell === undefined) return `the row lies in an excluded cell (${values.join(', ')}); remove it or the exclusion`;
  const impression = table.impressionColumn && row[table.impressionColumn]!;
  const sourceId = table.idColumn && row[table.idColumn]!;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: prompts must not hold them
  if (impression && /[\u0000-\u001f\u007f]/.test(impression))
    return `column ${show(table.impressionColumn)} holds control characters; remove them`;
  return { cell, exact, ...(impression !== undefined && { impression }), ...(sourceId !== undefined && { sourceId }) };
}
