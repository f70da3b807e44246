import { type Issue, issueAt, type Path, SpecError, show } from '../schema/issue.ts';
import type { Quota } from '../schema/spec.ts';
import { printable } from '../schema/text.ts';
import { checkHeader, noRows, type Row, readAxis } from './columns.ts';
import type { Grid } from './grid.ts';

/** Reading a Table: a list of wanted images, one per row of a CSV. */

const PATH: Path = ['spec', 'quota', 'allocation', 'table'];

type Table = NonNullable<Quota['allocation']['table']>;

/** One wanted image of a Table. */
export interface WantedRow {
  readonly sourceId?: string;
  /** The number on each axis of numbers. */
  readonly exact: Readonly<Record<string, number>>;
  readonly impression?: string;
}

/** More rows than this need not be listed to see what is wrong. */
const MAX_ISSUES = 20;

/**
 * Reads a Table: every row must lie in exactly one allowed cell.
 * @returns for each cell of the grid its rows, in file order
 * @throws SpecError that lists the rows that do not (1 is the first after the header)
 */
export function readTable(grid: Grid, table: Table, rows: Iterable<Row>): WantedRow[][] {
  const ordinals = new Map(grid.cells.map((cell) => [cell.values.join('\0'), cell.ordinal]));
  const byCell = grid.cells.map((): WantedRow[] => []);
  const issues: Issue[] = [];
  const names = [...Object.values(table.columns).map(({ name }) => name), table.idColumn, table.impressionColumn];
  let number = 0;
  let wrong = 0;
  for (const row of rows) {
    if (number++ === 0) checkHeader(names, row, PATH);
    const read = readRow(grid, table, row, ordinals);
    if (typeof read !== 'string') byCell[read.cell]!.push(read.wanted);
    else if (wrong++ < MAX_ISSUES) issues.push({ path: `${issueAt(PATH, '').path} row ${number}`, message: read });
  }
  if (number === 0) noRows(PATH);
  if (wrong > MAX_ISSUES) issues.push(issueAt(PATH, `${wrong - MAX_ISSUES} more rows are like these`));
  if (wrong > 0) throw new SpecError(issues);
  return byCell;
}

/** A row's cell and what it wants beyond that, or what is wrong with it. */
function readRow(
  grid: Grid,
  table: Table,
  row: Row,
  ordinals: ReadonlyMap<string, number>,
): { cell: number; wanted: WantedRow } | string {
  const values: string[] = [];
  const exact: [string, number][] = [];
  for (const axis of grid.axes) {
    const column = table.columns[axis.name]!;
    const reading = readAxis(axis, column, row);
    if (reading.values.length !== 1) {
      const fix = axis.bins ? 'add a bin or remove the row' : "map it in the column's values or remove the row";
      return `column ${show(column.name)} says ${show(row[column.name])}, which is not one value of axis ${axis.name}; ${fix}`;
    }
    values.push(reading.values[0]!);
    if (reading.number !== null) exact.push([axis.name, reading.number]);
  }
  const cell = ordinals.get(values.join('\0'));
  if (cell === undefined) return `the row lies in an excluded cell (${values.join(', ')}); remove it or the exclusion`;
  const fault = textFault(table, row);
  if (fault !== null) return fault;
  const wanted: WantedRow = {
    exact: Object.fromEntries(exact),
    ...(table.impressionColumn !== undefined && { impression: row[table.impressionColumn]! }),
    ...(table.idColumn !== undefined && { sourceId: row[table.idColumn]! }),
  };
  return { cell, wanted };
}

/** Issues of the texts that a row adds to prompts and records. */
function textFault(table: Table, row: Row): string | null {
  for (const name of [table.impressionColumn, table.idColumn]) {
    if (name === undefined) continue;
    if (name === table.impressionColumn && row[name]!.trim() === '') {
      return `column ${show(name)} is empty; write an impression or remove the row`;
    }
    const parsed = printable.safeParse(row[name]);
    if (!parsed.success) return `column ${show(name)} ${parsed.error.issues[0]!.message}`;
  }
  return null;
}
