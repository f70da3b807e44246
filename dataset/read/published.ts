import { Failure } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import { originOf } from '../../contract/plan/origin.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { shardRecordSchema } from '../../contract/schema/record.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readStored } from '../stored.ts';
import { openIndexFile, type Place } from './index-file.ts';
import { memoize } from './memory.ts';
import { type Located, rowInShard, type Source } from './source.ts';

/** A published dataset: its manifest says what there is, its index where. */

/** Records of shards with a shortfall that are kept. */
const KEPT_RECORDS = 1000;

/** The features of a shard, which have its name. */
const featuresBeside = (shard: string): string =>
  shard.replace(objects.shards, objects.featuresFolder).replace(/\.tar$/, '.npy');

export function openPublished(store: ObjectStore, manifest: Manifest): Source {
  const { shards } = manifest;
  // Row of each shard's first sample.
  const firstRows: number[] = [];
  let rows = 0;
  for (const { accepted } of shards) {
    firstRows.push(rows);
    rows += accepted;
  }
  const index = memoize(1, () => openIndexFile(store));
  const exhaustedOf = memoize(KEPT_RECORDS, async (shard: number): Promise<readonly number[]> => {
    const { start, end, accepted } = shards[shard]!;
    if (end - start === accepted) return [];
    const record = await readStored(store, objects.record(shard), shardRecordSchema);
    if (!record)
      throw new Failure('DatasetDamaged', `${store.uri}/${objects.record(shard)} is missing; run cohortfarm verify`);
    return record.exhausted;
  });
  const rowOf = async (shard: number, sample: number): Promise<number | null> =>
    rowInShard(sample, shards[shard]!.start, await exhaustedOf(shard));
  const shardOf = (sample: number): number => {
    const shard = shards.findIndex(({ start, end }) => start <= sample && sample < end);
    if (shard < 0) throw new Failure('DatasetDamaged', `no shard of ${objects.manifest} covers sample ${sample}`);
    return shard;
  };
  const placeOf = async (shard: number, sample: number): Promise<Place | null> => {
    const inShard = await rowOf(shard, sample);
    if (inShard === null) return null;
    const row = firstRows[shard]! + inShard;
    const file = await index('');
    if (row >= file.rows)
      throw new Failure('DatasetDamaged', `${objects.index} has ${file.rows} rows, not ${rows}; run cohortfarm verify`);
    const [place] = await file.read([row]);
    return place!;
  };
  return {
    state: 'published',
    wanted: { ...manifest, first: originOf(manifest).index },
    shards: shards.length,
    counts: async () => ({ tallies: manifest.cells, committed: shards.length }),
    async locate(sample): Promise<Located> {
      const shard = shardOf(sample);
      const place = await placeOf(shard, sample);
      return place ? { state: 'stored', object: shards[shard]!.key, place } : { state: 'exhausted' };
    },
    async featureRow(sample) {
      const shard = shardOf(sample);
      const row = await rowOf(shard, sample);
      return row === null ? null : { key: featuresBeside(shards[shard]!.key), row };
    },
  };
}
