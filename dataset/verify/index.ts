import { parquetReadObjects } from 'hyparquet';
import { Failure } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { describeIndex } from '../publish/index.ts';
import { groupOf, openParquet } from '../read/index-file.ts';
import { memoize } from '../read/memory.ts';
import type { ShardSample } from '../shard/read.ts';

/** `index.parquet` against the shards: every row must say where its sample really lies, and what it is. */

export interface IndexRows {
  /** Compares a shard's samples with the rows from `first` on. */
  faults(first: number, shard: string, samples: readonly ShardSample[]): Promise<string[]>;
  /** Faults of the file as a whole. */
  readonly fault: string | null;
}

type Row = Readonly<Record<string, unknown>>;

/** Decoded row groups kept: shards come in order, several at a time. */
const KEPT_GROUPS = 4;

/** Rows that read like the samples' columns; JSON has no 64-bit integers. */
const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : (value ?? null));

/** Opens the index; its footer is read once, and each row group once for all shards that it describes. */
export async function openIndex(store: ObjectStore, manifest: Manifest): Promise<IndexRows> {
  const opened = await openParquet(store).catch((error: unknown) => {
    if (error instanceof Failure && error.reason === 'DatasetDamaged') return error.message;
    throw error;
  });
  if (typeof opened === 'string') return { faults: async () => [], fault: opened };
  const { file, metadata, starts } = opened;
  const rows = starts.at(-1)!;
  const groups = memoize(
    KEPT_GROUPS,
    (group: number): Promise<readonly Row[]> =>
      parquetReadObjects({ file, metadata, rowStart: starts[group]!, rowEnd: starts[group + 1]! }),
  );
  async function readRows(first: number, count: number): Promise<Row[]> {
    const found: Row[] = [];
    const end = Math.min(first + count, rows);
    while (first + found.length < end) {
      const at = first + found.length;
      const group = groupOf(starts, at);
      const from = starts[group]!;
      found.push(...(await groups(group)).slice(at - from, Math.min(end, starts[group + 1]!) - from));
    }
    return found;
  }
  const columns = describeIndex(manifest.dataset.spec);
  const { accepted } = manifest.samples;
  return {
    async faults(first, shard, samples) {
      const found = await readRows(first, samples.length).catch((error: Error) => {
        // A store that fails says nothing about the file.
        if (error instanceof Failure && error.reason !== 'DatasetDamaged') throw error;
        return error;
      });
      if (found instanceof Error) return [`its rows in ${objects.index} cannot be read: ${found.message}`];
      return samples.flatMap((sample, i) => {
        const wrong = columns.find(({ name, value }) => plain(found[i]?.[name]) !== plain(value(shard, sample, i)));
        if (!wrong) return [];
        const [says, is] = [plain(found[i]?.[wrong.name]), plain(wrong.value(shard, sample, i))];
        return [
          `sample ${sample.key}: ${objects.index} says ${wrong.name} ${JSON.stringify(says)}, not ${JSON.stringify(is)}`,
        ];
      });
    },
    fault: rows === accepted ? null : `has ${rows} rows, the shards hold ${accepted} samples`,
  };
}
