import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter, schemaFromColumnData, type Writer } from 'hyparquet-writer';
import { PAIR } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { Extent, ShardSample } from '../shard/read.ts';

/** `index.parquet`: one row per sample, in order of the keys, with what it takes to fetch it by range request. */

/** Which columns hold what the dataset's own axes and gates name. */
export interface IndexColumns {
  /** Column of each axis's value. */
  readonly axes: Readonly<Record<string, string>>;
  /** Column of the values that belong to a combination, for axes with combinations; absent where there are none. */
  readonly sets?: Readonly<Record<string, string>>;
  /** Column of the exact number, for axes of numbers. */
  readonly exact: Readonly<Record<string, string>>;
  /** Column of each gate's score. */
  readonly scores: Readonly<Record<string, string>>;
}

/** Units of the standard axes of numbers; the column of another one ends in `_exact`. */
const UNITS: ReadonlyMap<string, string> = new Map([['age', 'years']]);

/** Between the findings of an image, as public chest X-ray sets write them. */
const SEPARATOR = '|';

const FIXED = [
  'key',
  'shard',
  'image_offset',
  'image_size',
  'txt_offset',
  'txt_size',
  'json_offset',
  'json_size',
  'cell',
  'prompt',
  'seed',
  'attempt',
  'source_id',
  'featureRow',
] as const;

/** Names the columns; an axis that is called like another column gets a prefix. */
export function indexColumns({ quota, quality }: SyntheticDataset['spec']): IndexColumns {
  const taken = new Set<string>(quota.pairs ? [...FIXED, PAIR] : FIXED);
  const free = (name: string): string => {
    const column = taken.has(name) ? free(`axis_${name}`) : name;
    taken.add(column);
    return column;
  };
  const axes = Object.entries(quota.axes).sort(([a], [b]) => (a < b ? -1 : 1));
  const combined = axes.filter(([, axis]) => axis.combinations);
  return {
    axes: Object.fromEntries(axes.map(([name]) => [name, free(name)])),
    ...(combined.length > 0 && { sets: Object.fromEntries(combined.map(([name]) => [name, free(`${name}_set`)])) }),
    exact: Object.fromEntries(
      axes.filter(([, axis]) => axis.bins).map(([name]) => [name, free(`${name}_${UNITS.get(name) ?? 'exact'}`)]),
    ),
    scores: Object.fromEntries(quality.gates.map(({ name }) => [name, free(`score_${name}`)])),
  };
}

/** A column of the file: its type, and its value for a sample. */
export interface IndexColumn {
  readonly name: string;
  readonly type: 'STRING' | 'INT32' | 'INT64' | 'DOUBLE';
  readonly nullable: boolean;
  readonly description: string;
  /** @param row of the sample in its shard */
  readonly value: (shard: string, sample: ShardSample, row: number) => string | number | bigint | null;
}

/** The columns of a dataset's index, in order. */
export function describeIndex(spec: SyntheticDataset['spec']): IndexColumn[] {
  const { axes, sets = {}, exact, scores } = indexColumns(spec);
  const column = (
    name: string,
    type: IndexColumn['type'],
    description: string,
    value: IndexColumn['value'],
  ): IndexColumn => ({
    name,
    type,
    nullable: false,
    description,
    value,
  });
  const extent = (name: string, what: string, extentOf: (sample: ShardSample) => Extent): IndexColumn[] => [
    column(`${name}_offset`, 'INT64', `First byte of ${what} in the shard`, (_, s) => BigInt(extentOf(s).offset)),
    column(`${name}_size`, 'INT32', `Length of ${what} in bytes`, (_, s) => extentOf(s).size),
  ];
  const sourceId = spec.quota.allocation.table?.idColumn !== undefined;
  return [
    column('key', 'STRING', 'WebDataset key: the index of the sample in nine digits', (_, s) => s.key),
    column('shard', 'STRING', 'Object that holds the sample, relative to this file', (shard) => shard),
    ...extent('image', 'the image', (s) => s.image),
    ...extent('txt', 'the prompt', (s) => s.text),
    ...extent('json', 'the record', (s) => s.json),
    column('cell', 'STRING', 'Cell of the quota grid', (_, s) => s.record.cell),
    ...Object.entries(axes).map(([axis, name]) =>
      column(name, 'STRING', `Wanted value of axis ${axis}`, (_, s) => s.record.axes[axis]!),
    ),
    ...Object.entries(sets).map(([axis, name]) =>
      column(
        name,
        'STRING',
        `Wanted values of axis ${axis}, with ${SEPARATOR} between those of a combination`,
        (_, s) => s.record.sets![axis]!.join(SEPARATOR),
      ),
    ),
    ...Object.entries(exact).map(([axis, name]) =>
      column(name, 'INT32', `Wanted number on axis ${axis}`, (_, s) => s.record.exact[axis]!),
    ),
    column('prompt', 'STRING', 'Text that the image was generated from', (_, s) => s.record.prompt),
    column('seed', 'INT64', 'Seed of the initial noise: torch.Generator("cpu").manual_seed(seed)', (_, s) =>
      BigInt(s.record.seed),
    ),
    ...(spec.quota.pairs
      ? [
          column(
            PAIR,
            'STRING',
            `Key of the first sample of its pair: samples that share all but ${spec.quota.pairs.axis}`,
            (_, s) => s.record.pair!,
          ),
        ]
      : []),
    column('attempt', 'INT32', 'How many earlier images of the sample were rejected', (_, s) => s.record.attempt),
    ...Object.entries(scores).map(([gate, name]) => ({
      ...column(
        name,
        'DOUBLE',
        `Score by gate ${gate}; null where the gate does not apply`,
        (_, { record: { scores } }) => (Object.hasOwn(scores, gate) ? scores[gate]! : null),
      ),
      nullable: true,
    })),
    ...(spec.quality.encoder
      ? [
          column(
            'featureRow',
            'INT32',
            "Row of the feature vector in the shard's file under features/",
            (_shard, _sample, row) => row,
          ),
        ]
      : []),
    ...(sourceId
      ? [
          {
            ...column('source_id', 'STRING', 'Row of the table of wanted images', (_, s) => s.record.sourceId ?? null),
            nullable: true,
          },
        ]
      : []),
  ];
}

/**
 * Rows per row group: some megabytes. The Hugging Face viewer reads at most 300 MB at once; a page index, which is written
 * too, lets it and others read less than a group.
 */
export const ROW_GROUP = 10_000;
/** Bytes before compression. Few rows to a page, so that a browser fetches little to show a few samples. */
const PAGE = 32 * 1024;

export interface IndexWriter {
  /** Adds the samples of a shard. Shards come in order. */
  add(shard: string, samples: readonly ShardSample[]): void;
  /** The whole file, in chunks. */
  finish(): Uint8Array[];
}

/** Starts an index. Rows are encoded a group at a time, so that memory holds one group and the compressed file. */
export function createIndex(spec: SyntheticDataset['spec'], keyValues: Readonly<Record<string, string>>): IndexWriter {
  const columns = describeIndex(spec);
  const chunks: Uint8Array[] = [];
  const file = new ByteWriter() as ByteWriter & Pick<Writer, 'flush'>;
  // Called after each group. A single buffer would be copied each time that it grows, and has a limit.
  file.flush = () => {
    chunks.push(file.getBytes().slice());
    file.index = 0;
  };
  const writer = new ParquetWriter({
    writer: file,
    schema: schemaFromColumnData({
      columnData: columns.map(({ name, type, nullable }) => ({ name, type, nullable, data: [] })),
    }) as SchemaElement[],
    kvMetadata: Object.entries({ ...keyValues, 'cohortfarm.columns': JSON.stringify(indexColumns(spec)) }).map(
      ([key, value]) => ({ key, value }),
    ),
    createdBy: 'cohortfarm',
  });
  let group: unknown[][] = columns.map(() => []);
  let rows = 0;
  const flush = (): void => {
    const data = group as (string | number | bigint | null)[][];
    writer.write({
      columnData: columns.map(({ name, type, nullable }, i) => ({
        name,
        type,
        nullable,
        data: data[i]!,
        columnIndex: true,
      })),
      rowGroupSize: rows,
      pageSize: PAGE,
    });
    group = columns.map(() => []);
    rows = 0;
  };
  return {
    add(shard, samples) {
      for (const [row, sample] of samples.entries()) {
        for (const [i, column] of columns.entries()) group[i]!.push(column.value(shard, sample, row));
        if (++rows === ROW_GROUP) flush();
      }
    },
    finish() {
      if (rows > 0) flush();
      writer.finish();
      file.flush!();
      return chunks;
    },
  };
}
