import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { describeIndex } from '../publish/index.ts';
import type { ShardSample } from '../shard/read.ts';

/** `index.parquet` against the shards: every row must say where its sample really lies, and what it is. */

export interface IndexRows {
  /** Compares a shard's samples with the rows from `first` on. */
  faults(first: number, shard: string, samples: readonly ShardSample[]): Promise<string[]>;
  /** What is wrong with the file as a whole. */
  readonly fault: string | null;
}

/** Rows that read like the samples' columns; JSON has no 64-bit integers. */
const plain = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : (value ?? null));

export async function openIndex(store: ObjectStore, manifest: Manifest): Promise<IndexRows> {
  const bytes = await store.get(objects.index);
  if (!bytes) return unreadable('is missing');
  const file = new Uint8Array(bytes).buffer;
  let rows: number;
  try {
    rows = Number(parquetMetadata(file).num_rows);
  } catch (error) {
    return unreadable(`is not a Parquet file: ${(error as Error).message}`);
  }
  const columns = describeIndex(manifest.dataset.spec);
  const { accepted } = manifest.samples;
  return {
    async faults(first, shard, samples) {
      const found = await parquetReadObjects({ file, rowStart: first, rowEnd: first + samples.length });
      return samples.flatMap((sample, i) => {
        const wrong = columns.find(({ name, value }) => plain(found[i]?.[name]) !== plain(value(shard, sample)));
        if (!wrong) return [];
        const [says, is] = [plain(found[i]?.[wrong.name]), plain(wrong.value(shard, sample))];
        return [
          `sample ${sample.key}: ${objects.index} says ${wrong.name} ${JSON.stringify(says)}, not ${JSON.stringify(is)}`,
        ];
      });
    },
    fault: rows === accepted ? null : `has ${rows} rows, the shards hold ${accepted} samples`,
  };
}

const unreadable = (fault: string): IndexRows => ({ faults: async () => [], fault });
