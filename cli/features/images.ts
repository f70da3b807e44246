import { type Row, readAxis } from '../../contract/plan/columns.ts';
import { type Axis, setOf } from '../../contract/plan/grid.ts';
import { type Issue, SpecError, show } from '../../contract/schema/issue.ts';
import type { ColumnMap } from '../../contract/schema/spec.ts';

/** The real images that a CSV lists (pure): where each lies, whose it is, its part of the split, and its groups. */

export type Split = 'training' | 'heldOut';

export interface RealImage {
  /** Relative to the CSV. */
  readonly path: string;
  readonly split: Split;
  /** As the CSV writes it; the path where no column says. */
  readonly patient: string;
  /** Values by axis; several are joined by |. Empty where the CSV says nothing that the axis has. */
  readonly groups: Readonly<Record<string, string>>;
}

export interface Layout {
  /** The CSV, for errors. */
  readonly name: string;
  /** Columns by what they hold: image, patient, split, and axes; as `allocation.cohort.columns` writes them. */
  readonly columns: ColumnMap;
  /** Axes of the quota; null to take every axis of `columns` with the values that it has. */
  readonly axes: readonly Axis[] | null;
  /** Part of all images, where no column says. */
  readonly split: Split | null;
}

/** Headers that are known by themselves, in lower case. */
const HEADERS = {
  image: ['image', 'path', 'image_path', 'file', 'filename', 'file_name', 'image index'],
  patient: ['patient', 'patient_id', 'patientid', 'subject_id', 'patient id'],
  split: ['split'],
} as const;

const SPLITS: Readonly<Record<string, Split>> = {
  training: 'training',
  train: 'training',
  heldOut: 'heldOut',
  heldout: 'heldOut',
  'held-out': 'heldOut',
  validation: 'heldOut',
  validate: 'heldOut',
  valid: 'heldOut',
  test: 'heldOut',
};

const MAX_ISSUES = 20;

/** @throws SpecError with what the CSV lacks, or what its rows say that is not understood */
export function imagesOf(rows: readonly Row[], layout: Layout): RealImage[] {
  const [first] = rows;
  if (!first) throw new SpecError([{ path: layout.name, message: 'has no rows; list at least one image' }]);
  const { image, patient, split } = columnsFor(first, layout);
  const axes = axesFor(rows, layout);
  const issues: Issue[] = [];
  const images = rows.map((row, i): RealImage => {
    const fault = (message: string): void => void issues.push({ path: `${layout.name} row ${i + 1}`, message });
    const path = row[image.name]!.replace(/^(\.\/)+/, '');
    const owner = patient ? row[patient.name]!.trim() : path;
    if (/^\/|(^|\/)\.\.(\/|$)/.test(path))
      fault(`${show(path)} is not below the folder of the CSV; write a path in it`);
    if (path === '') fault(`${show(image.name)} is empty; name the file, or remove the row`);
    if (owner === '') fault(`${show(patient!.name)} is empty; name the patient, or remove the row`);
    return { path, split: splitOf(row, split, layout, fault), patient: owner, groups: groupsOf(row, axes) };
  });
  if (issues.length > 0) throw new SpecError(issues.slice(0, MAX_ISSUES));
  refuseShared(images, layout);
  return images;
}

type Column = ColumnMap[string];

/** @throws SpecError that names every column that is missing */
function columnsFor(row: Row, { name, columns, axes, split }: Layout) {
  const issues: Issue[] = [];
  const headers = Object.keys(row);
  const find = (what: keyof typeof HEADERS): Column | null => {
    const header = headers.find((one) => (HEADERS[what] as readonly string[]).includes(one.toLowerCase()));
    return columns[what] ?? (header === undefined ? null : { name: header });
  };
  const found = { image: find('image'), patient: find('patient'), split: find('split') };
  const listed = `its columns are ${headers.slice(0, 40).map(show).join(', ')}`;
  if (!found.image)
    issues.push({ path: name, message: `has no column of images; name it as image in --columns; ${listed}` });
  if (!found.split && !split)
    issues.push({
      path: name,
      message: `does not say which images the generator was trained on; name the column as split in --columns, or give --split; ${listed}`,
    });
  for (const [what, column] of Object.entries(columns)) {
    if (!Object.hasOwn(row, column.name))
      issues.push({ path: name, message: `has no column ${show(column.name)} for ${what}; ${listed}` });
    else if (axes && !(what in HEADERS) && !axes.some((axis) => axis.name === what))
      issues.push({
        path: '--columns',
        message: `${show(what)} is not an axis of the dataset; it has ${axes.map((axis) => axis.name).join(', ')}`,
      });
  }
  if (issues.length > 0) throw new SpecError(issues);
  return { image: found.image!, patient: found.patient, split: found.split };
}

interface KnownAxis {
  readonly axis: Axis;
  readonly column: Column;
}

/** The axes that the CSV says something about: by the columns given, or by a header that is the axis's name. */
function axesFor(rows: readonly Row[], { columns, axes }: Layout): readonly KnownAxis[] {
  if (axes)
    return axes.flatMap((axis) => {
      const header = Object.keys(rows[0]!).find((one) => one.toLowerCase() === axis.name.toLowerCase());
      const column = columns[axis.name] ?? (header === undefined ? null : { name: header });
      return column ? [{ axis, column }] : [];
    });
  return Object.entries(columns).flatMap(([name, column]) => {
    if (name in HEADERS) return [];
    const labels = rows.flatMap((row) =>
      column.separator === undefined ? [row[column.name]!] : row[column.name]!.split(column.separator),
    );
    const values = new Set(
      labels.map((label) => column.values?.[label.trim()] ?? label.trim()).filter((value) => value),
    );
    return [{ axis: { name, values: [...values].sort(), bins: null }, column }];
  });
}

/** A combination is written as its values: another dataset may not have it. */
const groupsOf = (row: Row, axes: readonly KnownAxis[]): Record<string, string> =>
  Object.fromEntries(
    axes.map(({ axis, column }) => {
      const { values } = readAxis(axis, column, row);
      return [axis.name, values.flatMap((value) => setOf(axis, value)).join('|')];
    }),
  );

function splitOf(row: Row, column: Column | null, { split }: Layout, fault: (message: string) => void): Split {
  if (!column) return split!;
  const text = row[column.name]!.trim();
  const value = column.values?.[text] ?? text;
  if (Object.hasOwn(SPLITS, value)) return SPLITS[value]!;
  fault(`${column.name} is ${show(text)}; write training or heldOut, or say in --columns what it means`);
  return 'heldOut';
}

/** A held-out image of a patient of the training images is not held out. @throws SpecError */
function refuseShared(images: readonly RealImage[], { name }: Layout): void {
  const of = (split: Split): Set<string> =>
    new Set(images.flatMap((image) => (image.split === split ? [image.patient] : [])));
  const training = of('training');
  const shared = [...of('heldOut')].filter((patient) => training.has(patient)).length;
  if (shared === 0) return;
  const message = `has ${shared} patients with training and held-out images; leave the held-out ones of them out`;
  throw new SpecError([{ path: name, message }]);
}
