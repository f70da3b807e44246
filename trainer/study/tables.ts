import { readFile } from 'node:fs/promises';
import { type Metrics, metricsSchema } from '../../contract/schema/metrics.ts';

/** The comparison of a study as Markdown. */

type Comparison = NonNullable<Metrics['comparison']>;
type Arm = Comparison['arms'][number];
type Estimate = Arm['auroc'];

const STARTS = { Scratch: 'random', Weights: 'given' } as const;

const rounded = (value: number): string => value.toFixed(3).replace('-', '−');

function shown(found: Estimate): string {
  if (found === null) return '–';
  const interval = found.low === null ? '' : ` (${rounded(found.low)} to ${rounded(found.high!)})`;
  return rounded(found.value) + interval;
}

/** A row for each arm and beginning, a column for each site. */
function table<T extends { arm: string; initialisation: 'Scratch' | 'Weights'; site: string }>(
  entries: readonly T[],
  read: (entry: T) => Estimate,
): string {
  const sites = [...new Set(entries.map(({ site }) => site))];
  const rows = Map.groupBy(entries, ({ arm, initialisation }) => `${arm} | ${STARTS[initialisation]}`);
  const lines = [...rows].map(([name, cells]) => `| ${name} | ${cells.map((cell) => shown(read(cell))).join(' | ')} |`);
  return [`| arm | weights | ${sites.join(' | ')} |`, `|${' --- |'.repeat(sites.length + 2)}`, ...lines.sort()].join(
    '\n',
  );
}

/** @param file metrics.json of a Compare step */
export async function comparisonTables(file: string): Promise<string> {
  const { comparison } = metricsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const { arms, contrasts } = comparison!;
  const against = (minus: string, endpoint: string) =>
    contrasts.filter((one) => one.minus === minus && one.endpoint === endpoint);
  const sections: readonly (readonly [string, string])[] = [
    ['AUROC, mean over the findings', table(arms, ({ auroc }) => auroc)],
    ['Gap of underdiagnosis, largest minus smallest cell of sex, age and race', table(arms, ({ gap }) => gap)],
    ['The same, 90th minus 10th percentile of the cells', table(arms, ({ robustGap }) => robustGap)],
    ['Underdiagnosis over all images', table(arms, ({ underdiagnosis }) => underdiagnosis)],
    [
      'Standard deviation of underdiagnosis between the same cells, without noise',
      table(arms, ({ betweenSd }) => betweenSd),
    ],
    ['AUROC minus that of RealOnly', table(against('RealOnly', 'auroc'), (one) => one)],
    ['AUROC minus that of Mixed', table(against('Mixed', 'auroc'), (one) => one)],
    ['Deviation between cells minus that of RealOnly', table(against('RealOnly', 'betweenSd'), (one) => one)],
    ['Deviation between cells minus that of Mixed', table(against('Mixed', 'betweenSd'), (one) => one)],
  ];
  return sections.map(([title, rows]) => `**${title}**\n\n${rows}\n`).join('\n');
}
