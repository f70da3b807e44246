import { imageExtension } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';

/**
 * The types of a sample's members, for the front matter. Without them the Hugging Face `datasets` library guesses from the
 * first five samples, and fails later when none of those had been rejected once or was judged by every gate.
 */

interface Feature {
  readonly name: string;
  /** Name of a type, `strings` for a list of them, or fields. */
  readonly type: string | { readonly kind: 'struct' | 'list'; readonly fields: readonly Feature[] };
}

const field = (name: string, dtype: string): Feature => ({ name, type: dtype });

const group = (kind: 'struct' | 'list', name: string, fields: readonly Feature[]): Feature => ({
  name,
  type: { kind, fields },
});

/** YAML lines of the features in `dataset_info`: the members of the shards. */
export function shardFeatures({ quota, quality, output }: SyntheticDataset['spec']): string[] {
  const axes = Object.entries(quota.axes);
  const bins = axes.filter(([, axis]) => axis.bins);
  const { gates } = quality;
  // A struct without fields cannot be stored as Parquet, which the hub does.
  const struct = (name: string, fields: readonly Feature[]): Feature[] =>
    fields.length > 0 ? [group('struct', name, fields)] : [];
  const scores = struct(
    'scores',
    gates.map((gate) => field(gate.name, 'float64')),
  );
  const nearest = struct(
    'nearest',
    gates.filter(({ type }) => type === 'Novelty').map((gate) => field(gate.name, 'string')),
  );
  const record: readonly Feature[] = [
    field('apiVersion', 'string'),
    field('synthetic', 'bool'),
    field('index', 'int64'),
    field('cell', 'string'),
    group(
      'struct',
      'axes',
      axes.map(([name]) => field(name, 'string')),
    ),
    ...struct(
      'sets',
      axes.filter(([, axis]) => axis.combinations).map(([name]) => ({ name, type: 'strings' })),
    ),
    ...struct(
      'exact',
      bins.map(([name]) => field(name, 'int64')),
    ),
    ...(quota.allocation.table?.idColumn !== undefined ? [field('sourceId', 'string')] : []),
    ...(quota.pairs ? [field('pair', 'string')] : []),
    field('prompt', 'string'),
    field('seed', 'int64'),
    field('attempt', 'int64'),
    ...scores,
    ...nearest,
    group('list', 'rejected', [
      field('attempt', 'int64'),
      field('seed', 'int64'),
      field('gate', 'string'),
      ...scores,
      ...nearest,
    ]),
    field('planDigest', 'string'),
    field('modelDigest', 'string'),
  ];
  const members = [
    field(imageExtension(output.image.format), 'image'),
    field('txt', 'string'),
    group('struct', 'json', record),
    field('__key__', 'string'),
    field('__url__', 'string'),
  ];
  return members.flatMap((member) => lines(member, '  '));
}

function lines({ name, type }: Feature, indent: string): string[] {
  const head = `${indent}- name: ${JSON.stringify(name)}`;
  if (type === 'strings') return [head, `${indent}  list: string`];
  if (typeof type === 'string') return [head, `${indent}  dtype: ${type}`];
  return [head, `${indent}  ${type.kind}:`, ...type.fields.flatMap((inner) => lines(inner, `${indent}  `))];
}
