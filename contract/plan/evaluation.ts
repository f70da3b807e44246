import { type Issue, issueAt, listed, type Path, SpecError, show } from '../schema/issue.ts';
import { type Metrics, metricsSchema } from '../schema/metrics.ts';
import type { Quota } from '../schema/spec.ts';
import { type Axis, type Grid, parseBin } from './grid.ts';

/** Misses of a model by the cells of a grid, read from `metrics.json` of an evaluation. */

const PATH: Path = ['spec', 'quota', 'allocation', 'evaluation'];
const FINDING = 'finding';

type Wanted = NonNullable<Quota['allocation']['evaluation']>;
type Evaluation = Metrics['evaluations'][number];
type Disparity = Evaluation['disparities'][number];

/** Images of a label and how many of them a model does not recognise. */
export interface Missed {
  readonly errors: number;
  readonly of: number;
  /** People whose images these are. */
  readonly patients: number;
}

/** The misses of a cell's finding: in the cell's group, and in all images. */
export interface CellMisses {
  readonly group: Missed;
  readonly overall: Missed;
}

export interface Misses {
  readonly model: string;
  readonly site: string;
  /** Axes of the grid that make the groups. */
  readonly axes: readonly string[];
  /** For each cell of the grid; null where the evaluation knows nothing of the finding or the group. */
  readonly cells: readonly (CellMisses | null)[];
}

/** Reads the text of a metrics.json. @throws SpecError that names the field of the spec and what is wrong with the file */
export function parseEvaluation(text: string): Metrics {
  const at = [...PATH, 'uri'];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    const message = `the file is not valid JSON (${(cause as Error).message}); name a metrics.json`;
    throw new SpecError([issueAt(at, message)]);
  }
  const parsed = metricsSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const place = first!.path.join('.') || 'the file';
  throw new SpecError([issueAt(at, `is not a metrics.json of this version: ${place} ${first!.message}`)]);
}

/** The misses of each cell of a grid. @throws SpecError with all that the spec names and the evaluation does not have */
export function readMisses(grid: Grid, wanted: Wanted, { evaluations }: Metrics): Misses {
  const evaluation = chooseEvaluation(wanted, evaluations);
  const issues: Issue[] = [];
  const groups = readGroups(grid, wanted, evaluation, issues);
  const labels = readLabels(grid, wanted, evaluation, issues);
  const names = groups.map(({ name }) => name);
  for (const group of groups) issues.push(...valueIssues(group, evaluation));
  if (issues.length > 0) throw new SpecError(issues);
  const tables = new Map<string, Table>();
  for (const [finding, label] of labels) {
    const disparity = findDisparity(evaluation, label, names);
    if (disparity) tables.set(finding, tableOf(disparity, groups));
    else issues.push(noRates(evaluation, label, names));
  }
  if (issues.length > 0) throw new SpecError(issues);
  const findingAt = grid.axes.findIndex(({ name }) => name === FINDING);
  const cells = grid.cells.map(({ values }): CellMisses | null => {
    const table = tables.get(values[findingAt]!);
    const group = table?.groups.get(groups.map(({ position }) => values[position]).join('\0'));
    return group ? { group, overall: table!.overall } : null;
  });
  return { model: evaluation.model, site: evaluation.site, axes: groups.map(({ axis }) => axis.name), cells };
}

const POOLED = 'pooled';

function chooseEvaluation(wanted: Wanted, evaluations: Metrics['evaluations']): Evaluation {
  const models = [...new Set(evaluations.map(({ model }) => model))];
  const model = choose('model', wanted.model, models, models.length === 1 ? models[0] : undefined);
  const sites = evaluations.filter((one) => one.model === model).map(({ site }) => site);
  const usual = sites.includes(POOLED) ? POOLED : sites.length === 1 ? sites[0] : undefined;
  const site = choose('site', wanted.site, sites, usual);
  return evaluations.find((one) => one.model === model && one.site === site)!;
}

function choose(
  field: 'model' | 'site',
  given: string | undefined,
  known: readonly string[],
  usual: string | undefined,
): string {
  const chosen = given ?? usual;
  if (chosen !== undefined && known.includes(chosen)) return chosen;
  const found =
    given === undefined ? 'is required, since there are several' : `${show(given)} is not in the evaluation`;
  const has = known.length === 0 ? 'it measures nothing' : `write one of ${listed(known)}`;
  throw new SpecError([issueAt([...PATH, field], `${found}; ${has}`)]);
}

/** An axis of the grid that the evaluation groups by. */
interface Group {
  readonly axis: Axis;
  /** Position in the grid's list of axes. */
  readonly position: number;
  /** Its name in the evaluation. */
  readonly name: string;
  readonly values: Readonly<Record<string, string>> | undefined;
}

function readGroups(grid: Grid, { groups: given }: Wanted, evaluation: Evaluation, issues: Issue[]): Group[] {
  const known = [...new Set(evaluation.disparities.flatMap(({ grouping }) => grouping))];
  const groups = grid.axes.flatMap((axis, position): Group[] => {
    if (axis.name === FINDING) return [];
    if (!given) {
      const { name } = axis;
      return known.includes(name) ? [{ axis, position, name, values: undefined }] : [];
    }
    if (!Object.hasOwn(given, axis.name)) return [];
    const { name, values } = given[axis.name]!;
    if (known.includes(name)) return [{ axis, position, name, values }];
    const message = `the evaluation does not group by ${show(name)}; write one of ${listed(known)}`;
    issues.push(issueAt([...PATH, 'groups', axis.name, 'name'], message));
    return [];
  });
  if (groups.length > 0 || issues.length > 0) return groups;
  const message = `is required, since no axis of spec.quota.axes has a name by which the evaluation groups (${listed(known)}); map one`;
  issues.push(issueAt([...PATH, 'groups'], message));
  return [];
}

/** An axis of which no value is one of the evaluation's. */
function valueIssues(group: Group, { disparities }: Evaluation): Issue[] {
  const cells = disparities.flatMap((disparity) => disparity.cells);
  const found = [...new Set(cells.flatMap(({ cell }) => (Object.hasOwn(cell, group.name) ? [cell[group.name]!] : [])))];
  if (found.some((value) => valueFor(group, value) !== null)) return [];
  const { name, bins } = group.axis;
  const fix = bins
    ? 'evaluate with bins that lie inside those of the axis, or map them in values'
    : 'map them in values';
  const path = [...PATH, 'groups', name];
  return [issueAt(path, `the evaluation says ${listed(found)}, of which none is a value of axis ${name}; ${fix}`)];
}

/** The value of the axis for one of the evaluation; null where there is none. */
function valueFor({ axis, values }: Group, text: string): string | null {
  if (values) return Object.hasOwn(values, text) ? values[text]! : null;
  if (axis.values.includes(text)) return text;
  if (!axis.bins || !/^\d{1,9}-\d{1,9}$/.test(text)) return null;
  const { low, high } = parseBin(text);
  const bin = axis.bins.findIndex((one) => one.low <= low && high <= one.high);
  return axis.values[bin] ?? null;
}

/** The label of each finding that is looked up. */
function readLabels(grid: Grid, { labels: given }: Wanted, evaluation: Evaluation, issues: Issue[]) {
  const known = evaluation.labels.map(({ label }) => label);
  const { values, combinations } = grid.axes.find(({ name }) => name === FINDING)!;
  const findings = values.filter((value) => !combinations?.has(value));
  const labels = new Map(Object.entries(given ?? Object.fromEntries(findings.map((finding) => [finding, finding]))));
  const unknown = [...labels].filter(([, label]) => !known.includes(label));
  for (const [finding, label] of given ? unknown : []) {
    const message = `the evaluation has no label ${show(label)}; write one of ${listed(known)}`;
    issues.push(issueAt([...PATH, 'labels', finding], message));
  }
  if (!given && unknown.length > 0) {
    const names = listed(unknown.map(([finding]) => finding));
    const message = `is required: the evaluation has no label ${names}; map each finding to one of ${listed(known)}, or leave it out to count it as overall`;
    issues.push(issueAt([...PATH, 'labels'], message));
  }
  return labels;
}

/** The rates at which images of a label are missed, by a set of axes. */
const findDisparity = ({ disparities }: Evaluation, label: string, names: readonly string[]): Disparity | undefined =>
  disparities.find(
    (one) =>
      one.label === label &&
      one.rate === 'FalseNegativeRate' &&
      one.operatingPoint === 'Validation' &&
      one.grouping.length === names.length &&
      names.every((name) => one.grouping.includes(name)),
  );

function noRates({ disparities }: Evaluation, label: string, names: readonly string[]): Issue {
  const known = [
    ...new Set(disparities.filter((one) => one.label === label).map(({ grouping }) => grouping.join('+'))),
  ];
  const has = known.length === 0 ? 'none of that label at all' : `it groups by ${listed(known)}`;
  const message = `the evaluation has no false-negative rates of ${show(label)} by ${names.join(' and ')}: ${has}; map other axes, or leave the finding out of labels`;
  return issueAt([...PATH, 'groups'], message);
}

interface Table {
  readonly groups: ReadonlyMap<string, Missed>;
  readonly overall: Missed;
}

const NOTHING: Missed = { errors: 0, of: 0, patients: 0 };

const add = (a: Missed, b: Missed): Missed => ({
  errors: a.errors + b.errors,
  of: a.of + b.of,
  patients: a.patients + b.patients,
});

/** Whole numbers are added up, so that the order of the evaluation's cells does not matter. */
function tableOf({ cells }: Disparity, groups: readonly Group[]): Table {
  const byKey = new Map<string, Missed>();
  let overall = NOTHING;
  for (const { cell, errors, of, ofPatients } of cells) {
    const missed = { errors, of, patients: ofPatients };
    overall = add(overall, missed);
    const values = groups.map((group) => valueFor(group, cell[group.name] ?? ''));
    if (values.includes(null)) continue;
    const key = values.join('\0');
    byKey.set(key, add(byKey.get(key) ?? NOTHING, missed));
  }
  return { groups: byKey, overall };
}
