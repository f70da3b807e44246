import { placeholders, renderPrompt } from '../../contract/plan/prompts.ts';
import { wordsOf } from '../../contract/plan/samples.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { indexColumns } from '../publish/index.ts';
import type { ShardSample } from '../shard/read.ts';

/**
 * The columns of the Parquet files on the Hub: first those of RoentGen-v2's own dataset (image_id, image, text, gender, age,
 * race, view, impression and a column for each finding), then the rest of what a sample says.
 */

export interface HubColumn {
  readonly name: string;
  readonly type: 'image' | 'STRING' | 'INT32' | 'INT64' | 'DOUBLE';
  /** As Hugging Face `datasets` calls the type. */
  readonly feature: 'image' | 'string' | 'int32' | 'int64' | 'float64';
  readonly value: (sample: ShardSample, image: Uint8Array) => unknown;
}

type Spec = SyntheticDataset['spec'];

const GENDERS: ReadonlyMap<string, string> = new Map([
  ['female', 'F'],
  ['male', 'M'],
]);

/** `pleural-effusion` as CheXpert and MIMIC-CXR write it: `Pleural Effusion`. */
const findingColumn = (value: string): string =>
  value
    .split(/[-_ ]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');

const FEATURES = { image: 'image', STRING: 'string', INT32: 'int32', INT64: 'int64', DOUBLE: 'float64' } as const;

/** The findings that were asked for, several where a value combines them. */
const wantedFindings = ({ axes, sets }: SampleRecord): readonly string[] => sets?.finding ?? [axes.finding!];

/** The columns of a dataset, in order. */
export function hubColumns(spec: Spec): HubColumn[] {
  const { axes } = spec.quota;
  const taken = new Set<string>();
  const column = (name: string, type: HubColumn['type'], value: HubColumn['value']): HubColumn => {
    let free = name;
    while (taken.has(free)) free = `axis_${free}`;
    taken.add(free);
    return { name: free, type, feature: FEATURES[type], value };
  };
  const labelOf = (axis: string) => (sample: ShardSample) => sample.record.axes[axis] ?? null;
  const numberOf = (axis: string) => (sample: ShardSample) => sample.record.exact[axis] ?? null;
  const some = (axis: string, make: () => HubColumn): HubColumn[] => (Object.hasOwn(axes, axis) ? [make()] : []);
  const bins = (axis: string): boolean => axes[axis]?.bins !== undefined;
  const findings = [...new Set(axes.finding?.values ?? [])];
  const own = ['sex', 'age', 'race', 'view'];
  return [
    column('image_id', 'STRING', (sample) => sample.key),
    column('image', 'image', ({ key, image }, bytes) => ({ bytes, path: `${key}.${image.extension}` })),
    column('text', 'STRING', (sample) => sample.record.prompt),
    ...some('sex', () => column('gender', 'STRING', ({ record }) => GENDERS.get(record.axes.sex!) ?? record.axes.sex!)),
    ...some('age', () =>
      bins('age') ? column('age', 'INT32', numberOf('age')) : column('age', 'STRING', labelOf('age')),
    ),
    ...some('race', () => column('race', 'STRING', labelOf('race'))),
    ...some('view', () => column('view', 'STRING', labelOf('view'))),
    ...(placeholders(spec.prompt.template).includes('impression')
      ? [column('impression', 'STRING', impressionOf(spec.prompt.template))]
      : []),
    ...findings.map((finding) =>
      column(findingColumn(finding), 'INT32', ({ record }) => (wantedFindings(record).includes(finding) ? 1 : 0)),
    ),
    ...Object.keys(axes)
      .filter((axis) => !own.includes(axis))
      .sort()
      .flatMap((axis) => [
        ...(bins(axis) ? [column(axis, 'INT32', numberOf(axis))] : []),
        column(bins(axis) ? `${axis}_group` : axis, 'STRING', labelOf(axis)),
      ]),
    ...(bins('age') ? [column('age_group', 'STRING', labelOf('age'))] : []),
    column('seed', 'INT64', (sample) => BigInt(sample.record.seed)),
    column('attempt', 'INT32', (sample) => sample.record.attempt),
    ...(spec.quota.pairs ? [column('pair', 'STRING', (sample) => sample.record.pair ?? null)] : []),
    ...Object.entries(indexColumns(spec).scores).map(([gate, name]) =>
      column(name, 'DOUBLE', ({ record: { scores } }) => (Object.hasOwn(scores, gate) ? scores[gate] : null)),
    ),
  ];
}

/** The part of a prompt that is in the place of `{impression}`. */
function impressionOf(template: string): (sample: ShardSample) => string | null {
  const [before = '', after = ''] = template.split('{impression}');
  return ({ record }) => {
    const { prompt } = record;
    const words = wordsOf(record);
    const [head, tail] = [renderPrompt(before, words), renderPrompt(after, words)];
    const fits = prompt.startsWith(head) && prompt.endsWith(tail) && prompt.length >= head.length + tail.length;
    return fits ? prompt.slice(head.length, prompt.length - tail.length) : null;
  };
}
