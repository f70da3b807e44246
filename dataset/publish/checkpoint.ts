import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { z } from 'zod';
import { digestOf, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import { type ShardRecord, sampleRecordSchema } from '../../contract/schema/record.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { memoize } from '../read/memory.ts';
import type { ShardSample } from '../shard/read.ts';
import { getUnlessDamaged, parseStored } from '../stored.ts';
import { membersFault } from './records.ts';

/**
 * Checkpoints of publishing: the samples of shards that were checked, several shards to an object, so that a publisher that
 * is interrupted does not read them again. A checkpoint that is damaged, or of a shard that was remade since, is ignored.
 */

export interface Checkpoints {
  /** The samples of a shard that was checked before and is still there, as long as it was; null for any other. */
  read(record: ShardRecord): Promise<readonly ShardSample[] | null>;
  /** Takes the samples of the next shard, in order. */
  add(record: ShardRecord, samples: readonly ShardSample[]): Promise<void>;
}

/** In one object, at most: some megabytes. */
const SHARDS = 64;
const SAMPLES = 16_384;
/** Unpacked, far above what so many samples take. */
const MAX_BYTES = 512 * 1024 * 1024;
const KEPT = 2;

const extent = { offset: z.int().min(0), size: z.int().min(0) };
const checkedSchema = z.array(
  z.strictObject({
    /** Digest of the shard's record, which has the digest of its bytes. */
    record: z.string(),
    samples: z.array(
      z.strictObject({
        key: z.string(),
        image: z.strictObject({ ...extent, extension: z.string() }),
        text: z.strictObject(extent),
        json: z.strictObject(extent),
        record: sampleRecordSchema,
      }),
    ),
  }),
);
type Checked = z.infer<typeof checkedSchema>[number];

/** Opens the checkpoints of a dataset, which a former publisher may have left. */
export async function openCheckpoints(store: ObjectStore, plan: Plan): Promise<Checkpoints> {
  const perObject = Math.max(1, Math.min(SHARDS, Math.floor(SAMPLES / plan.spec.output.shard.samples)));
  const keys = new Map<number, string>();
  for await (const { key } of store.list(objects.checked))
    keys.set(Number.parseInt(key.slice(objects.checked.length), 10), key);
  const load = memoize(KEPT, async (group: number): Promise<ReadonlyMap<string, Checked>> => {
    const key = keys.get(group);
    const checked = key === undefined ? [] : await readChecked(store, key);
    return new Map(checked.map((one) => [one.record, one]));
  });
  let pending: Checked[] = [];
  return {
    async read(record) {
      const found = (await load(Math.floor(record.shard / perObject))).get(digestOf(record));
      if (!found || membersFault(found.samples, record) !== null) return null;
      return (await store.stat(record.key))?.size === record.bytes ? found.samples : null;
    },
    async add(record, samples) {
      pending.push({ record: digestOf(record), samples: [...samples] as Checked['samples'] });
      if ((record.shard + 1) % perObject !== 0) return;
      const complete = pending;
      pending = [];
      const group = Math.floor(record.shard / perObject);
      const known = await load(group);
      if (complete.every((one) => known.has(one.record))) return;
      await writeChecked(store, group, complete);
    },
  };
}

async function readChecked(store: ObjectStore, key: string): Promise<Checked[]> {
  const bytes = await getUnlessDamaged(store, key);
  if (!(bytes instanceof Uint8Array) || !key.endsWith(`-${sha256(bytes)}.json.gz`)) return [];
  const text = await promisify(gunzip)(bytes, { maxOutputLength: MAX_BYTES }).catch(() => null);
  const parsed = text && parseStored(text, checkedSchema);
  return parsed && typeof parsed !== 'string' ? parsed.value : [];
}

async function writeChecked(store: ObjectStore, group: number, checked: readonly Checked[]): Promise<void> {
  const body = await promisify(gzip)(JSON.stringify(checked), { level: 1 });
  await store.create(objects.checkedShards(group, sha256(body)), body, { contentType: 'application/gzip' });
}
