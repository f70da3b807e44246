import type { DataCheck } from '../../contract/schema/data-check.ts';

/** data.json as text for people. */

type Source = DataCheck['sources'][number];
type Counts = Readonly<Record<string, number>>;

const INDENT = '  ';
const thousands = (count: number): string => count.toLocaleString('en-US');

/** One paragraph for each source. */
export const describeData = ({ sources }: DataCheck): string => sources.map(describeSource).join('\n');

function describeSource(source: Source): string {
  const use = source.use === 'Training' ? 'to train and validate on' : 'to measure on';
  const images = `${thousands(source.images)} images of ${thousands(source.patients)} patients ${use}`;
  const axes = Object.entries(source.groups).map(([axis, counts]) => line(axis, counts));
  const lines = [
    ...labelTable(source.labels),
    ...axes,
    line('split', source.splits),
    line('site', source.sites),
    ...source.folders.flatMap(describeFolder),
  ];
  return `${source.name}: ${images}\n${lines.map((text) => `${INDENT}${text}\n`).join('')}`;
}

function labelTable(labels: Source['labels']): string[] {
  const width = Math.max(...labels.map(({ label }) => label.length), 'label'.length);
  const row = (label: string, numbers: readonly string[]): string =>
    [label.padEnd(width), ...numbers.map((number) => number.padStart(10))].join('');
  return [
    row('label', ['present', 'absent', 'unknown']),
    ...labels.map(({ label, present, absent, unknown }) => row(label, [present, absent, unknown].map(thousands))),
  ];
}

function describeFolder(folder: Source['folders'][number]): string[] {
  return [
    `${folder.where}: ${thousands(folder.rows)} rows`,
    ...(Object.keys(folder.views).length > 0 ? [`${INDENT}${line('view', folder.views)}`] : []),
    ...listed('left out', folder.leftOut),
    ...listed('note', folder.remarks),
    ...Object.entries(folder.notUnderstood).map(
      ([column, values]) => `${INDENT}${line(`not understood in ${column}`, values)}`,
    ),
    ...(Object.keys(folder.otherFindings).length > 0
      ? [`${INDENT}${line('findings other than labels', folder.otherFindings)}`]
      : []),
    ...(folder.ignored.length > 0 ? [`${INDENT}columns not read: ${folder.ignored.join(', ')}`] : []),
    ...(folder.unnamed > 0 ? [`${INDENT}images that no row names: ${thousands(folder.unnamed)}`] : []),
  ];
}

const listed = (what: string, counts: Counts): string[] =>
  Object.entries(counts).map(([reason, rows]) => `${INDENT}${what}: ${thousands(rows)} ${reason}`);

const line = (name: string, counts: Counts): string =>
  `${name}: ${Object.entries(counts)
    .map(([value, count]) => `${value || '(blank)'} ${thousands(count)}`)
    .join(', ')}`;
