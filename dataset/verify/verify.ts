import type { z } from 'zod';
import { sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import { type Manifest, manifestSchema } from '../../contract/schema/manifest.ts';
import { type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { countFault } from '../publish/records.ts';
import { renderWids } from '../publish/wids.ts';
import { parseStored } from '../stored.ts';
import { openIndex } from './index.ts';
import { FILES, manifestFaults } from './manifest.ts';
import { rebuildPlan } from './rebuild.ts';
import { verifyShard } from './shard.ts';

/** Checks a published dataset against itself: every digest, member, image, count and quota. */

export interface Fault {
  /** The object at fault. */
  readonly object: string;
  readonly message: string;
}

export interface Verification {
  /** Null when there is no readable manifest. */
  readonly manifest: Manifest | null;
  readonly faults: readonly Fault[];
  readonly images: number;
}

/** @param onShard called after each shard, with how many are done */
export async function verify(
  store: ObjectStore,
  onShard: (done: number, all: number) => void = () => {},
): Promise<Verification> {
  const manifest = await readManifestStrictly(store);
  if ('object' in manifest) return { manifest: null, faults: [manifest], images: 0 };
  const rebuilt = rebuildPlan(manifest);
  if (typeof rebuilt === 'string')
    return { manifest, faults: [{ object: objects.manifest, message: rebuilt }], images: 0 };
  const published = { manifest, rebuilt, index: await openIndex(store, manifest) };
  const faults: Fault[] = [];
  const records: ShardRecord[] = [];
  let [images, firstRow] = [0, 0];
  for (const [shard, entry] of manifest.shards.entries()) {
    const record = await readRecordStrictly(store, shard, entry.record);
    if ('object' in record) faults.push(record);
    else {
      records.push(record);
      faults.push(...entryFaults(entry, record, manifest));
      const found = await verifyShard(await store.get(record.key), record, firstRow, published);
      faults.push(...found.faults.map((message) => ({ object: record.key, message })));
      images += found.images;
    }
    firstRow += entry.accepted;
    onShard(shard + 1, manifest.shards.length);
  }
  const stated = [...rebuilt.faults, ...manifestFaults(manifest, rebuilt, records)];
  faults.push(...stated.map((message) => ({ object: objects.manifest, message })));
  faults.push(...(await fileFaults(store, manifest)));
  faults.push(...(await strayFaults(store, manifest)));
  if (published.index.fault) faults.push({ object: objects.index, message: published.index.fault });
  return { manifest, faults, images };
}

async function readManifestStrictly(store: ObjectStore): Promise<Manifest | Fault> {
  const object = objects.manifest;
  const bytes = await store.get(object);
  if (!bytes)
    return { object, message: `is missing: ${store.uri} holds no complete dataset (run it again to complete it)` };
  return parseObject(bytes, object, manifestSchema);
}

async function readRecordStrictly(store: ObjectStore, shard: number, key: string): Promise<ShardRecord | Fault> {
  if (key !== objects.record(shard))
    return { object: objects.manifest, message: `shards[${shard}].record is ${key}, not ${objects.record(shard)}` };
  const bytes = await store.get(key);
  if (!bytes) return { object: key, message: 'is missing' };
  return parseObject(bytes, key, shardRecordSchema);
}

function parseObject<T>(bytes: Uint8Array, object: string, schema: z.ZodType<T>): T | Fault {
  const parsed = parseStored(bytes, schema);
  return typeof parsed === 'string' ? { object, message: parsed } : parsed.value;
}

function entryFaults(entry: Manifest['shards'][number], record: ShardRecord, manifest: Manifest): Fault[] {
  const faults: Fault[] = [];
  for (const field of ['key', 'bytes', 'sha256', 'start', 'end', 'accepted'] as const) {
    if (entry[field] !== record[field]) {
      faults.push({ object: entry.record, message: `${field} is ${record[field]}, the manifest says ${entry[field]}` });
    }
  }
  if (record.planDigest !== manifest.planDigest)
    faults.push({ object: entry.record, message: 'belongs to another plan' });
  if (record.modelDigest !== manifest.model.digest)
    faults.push({ object: entry.record, message: 'names another model' });
  const fault = countFault(record);
  if (fault) faults.push({ object: entry.record, message: fault });
  const shard = manifest.shards.indexOf(entry);
  if (record.shard !== shard)
    faults.push({ object: entry.record, message: `is of shard ${record.shard}, not ${shard}` });
  return faults;
}

async function fileFaults(store: ObjectStore, manifest: Manifest): Promise<Fault[]> {
  const faults: Fault[] = [];
  // Other names are a fault already (see `manifestFaults`); a store would refuse some of them.
  for (const { key, bytes, sha256: digest } of manifest.files.filter((file) => FILES.includes(file.key))) {
    const found = await store.get(key);
    if (!found) faults.push({ object: key, message: 'is missing' });
    else if (found.length !== bytes || sha256(found) !== digest)
      faults.push({ object: key, message: `SHA-256 is ${sha256(found)}, the manifest says ${digest}` });
    else if (key === objects.wids && Buffer.from(found).toString() !== renderWids(manifest))
      faults.push({ object: key, message: 'is not the index of shards that follows from the manifest' });
  }
  return faults;
}

/** Shards and records that the manifest does not know would be read by anyone who lists the folder. */
async function strayFaults(store: ObjectStore, manifest: Manifest): Promise<Fault[]> {
  const known = new Set(manifest.shards.flatMap(({ key, record }) => [key, record]));
  const faults: Fault[] = [];
  for (const prefix of [objects.shards, objects.records]) {
    for await (const { key } of store.list(prefix)) {
      if (!known.has(key)) faults.push({ object: key, message: 'is not part of the dataset; remove it' });
    }
  }
  return faults;
}
