import { issueAt, type Path, SpecError, show } from '../schema/issue.ts';
import type { ColumnMap } from '../schema/spec.ts';
import type { Axis } from './grid.ts';

/** The columns of a CSV as values of the axes of a grid. */

export type Row = Readonly<Record<string, string>>;

/**
 * One axis of one row: the values it names that the grid has, and the number if the axis has numbers. A row that names just
 * the values of a combination has that one value.
 */
export interface Reading {
  readonly values: readonly string[];
  readonly number: number | null;
}

/** Whole numbers as data dictionaries write ages: "57", "057Y" (DICOM), "57.0"; what follows the point is dropped. */
const NUMBER = /^(\d{1,9})(\.\d{0,9})?Y?$/;

/** Reads one axis from a row. The row has the column. */
export function readAxis(axis: Axis, column: ColumnMap[string], row: Row): Reading {
  const text = row[column.name]!.trim();
  if (axis.bins) {
    const digits = NUMBER.exec(text)?.[1];
    const number = digits === undefined ? null : Number(digits);
    const i = number === null ? -1 : axis.bins.findIndex((bin) => bin.low <= number && number <= bin.high);
    return { values: i < 0 ? [] : [axis.values[i]!], number };
  }
  const labels = column.separator === undefined ? [text] : text.split(column.separator).map((label) => label.trim());
  const read = labels.map((label) => translate(column, label));
  const named = [...new Set(read.filter((value) => axis.values.includes(value)))];
  // A row that names something else as well shows more than the combination.
  const isWhole = axis.combinations && read.every((value, i) => labels[i] === '' || axis.values.includes(value));
  const combination = isWhole && combinationOf(axis.combinations!, named);
  return { values: combination ? [combination] : named, number: null };
}

function combinationOf(combinations: ReadonlyMap<string, readonly string[]>, named: readonly string[]): string | null {
  const wanted = new Set(named);
  const found = [...combinations].find(
    ([, set]) => set.length === wanted.size && set.every((value) => wanted.has(value)),
  );
  return found ? found[0] : null;
}

/** The axis value of a label; '', which is not a value, for a label that `values` does not list. */
function translate({ values }: ColumnMap[string], label: string): string {
  if (!values) return label;
  return Object.hasOwn(values, label) ? values[label]! : '';
}

/** @throws SpecError that names the columns that a CSV lacks, and those that it has */
export function checkHeader(columns: readonly (string | undefined)[], row: Row, path: Path): void {
  const missing = columns.filter((name) => name !== undefined && !Object.hasOwn(row, name));
  if (missing.length === 0) return;
  const header = Object.keys(row).slice(0, 40).map(show).join(', ');
  throw new SpecError([
    issueAt(path, `the CSV has no column ${missing.map(show).join(', ')}; its columns are ${header}`),
  ]);
}

/** @throws SpecError when a CSV has a header at most */
export function noRows(path: Path): never {
  throw new SpecError([issueAt([...path, 'uri'], 'the CSV has no rows; give one with a header and at least one row')]);
}
