import { sumTallies, totals } from '../../contract/account/tally.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects, parsePartKey } from '../../contract/names.ts';
import { type Plan, shardRange } from '../../contract/plan/plan.ts';
import {
  type PartRecord,
  type Seal,
  type ShardRecord,
  sealSchema,
  shardRecordSchema,
} from '../../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { readStored } from '../stored.ts';
import { chainParts, decodePart, type StoredPart } from './part.ts';
import { TAR_END } from './tar.ts';

/**
 * How a shard becomes final, safe against being killed and against a second worker at the same shard:
 *
 *   parts --> seal (first writer decides which parts) --> tar --> record (the commit)
 *
 * Parts and seal are written once and never changed, so whoever finishes the shard, and however often, writes the very
 * same bytes, even on hardware whose arithmetic is not repeatable.
 */

const json = (value: unknown): Uint8Array => Buffer.from(`${canonicalJson(value)}\n`);

/** The record of a committed shard; null when it is not committed. @throws StoreError when it belongs to another plan */
export async function readRecord(store: ObjectStore, plan: Plan, shard: number): Promise<ShardRecord | null> {
  const record = await readStored(store, objects.record(shard), shardRecordSchema);
  if (!record) return null;
  assertSamePlan(store, plan, objects.record(shard), record.planDigest);
  return record;
}

function assertSamePlan(store: ObjectStore, plan: Plan, key: string, planDigest: string): void {
  if (planDigest !== plan.digest) throw otherPlanFailure(`${store.uri}/${key}`, { planDigest }, plan);
}

/** The stored parts of a shard. */
export async function listParts(store: ObjectStore, shard: number): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  for await (const { key } of store.list(objects.shardWork(shard))) {
    const range = parsePartKey(key);
    if (range) parts.push({ key, ...range });
  }
  return parts;
}

/** The seal of a shard; null while parts are missing. */
export async function readSeal(store: ObjectStore, plan: Plan, shard: number): Promise<Seal | null> {
  const seal = await readStored(store, objects.seal(shard), sealSchema);
  if (!seal) return null;
  assertSamePlan(store, plan, objects.seal(shard), seal.record.planDigest);
  return seal;
}

interface Assembled {
  readonly chunks: readonly Uint8Array[];
  readonly parts: readonly PartRecord[];
}

async function assemble(store: ObjectStore, plan: Plan, keys: readonly string[]): Promise<Assembled> {
  const chunks: Uint8Array[] = [];
  const parts: PartRecord[] = [];
  for (const key of keys) {
    const bytes = await store.get(key);
    if (!bytes)
      throw new StoreError('retryable', `${store.uri}/${key} is gone while its shard is being finished; try again`);
    const { record, members } = readPart(store, key, bytes);
    assertSamePlan(store, plan, key, record.planDigest);
    chunks.push(members);
    parts.push(record);
  }
  return { chunks: [...chunks, TAR_END], parts };
}

function readPart(store: ObjectStore, key: string, bytes: Uint8Array): ReturnType<typeof decodePart> {
  try {
    return decodePart(bytes);
  } catch (cause) {
    throw new StoreError('terminal', `${store.uri}/${key} is not a part as workers write it; remove it and run again`, {
      cause,
      reason: 'DatasetDamaged',
    });
  }
}

/** A seal, with the bytes that it fixes where they are at hand. */
export interface Sealed {
  readonly seal: Seal;
  readonly assembled?: Assembled;
}

/** Seals a shard whose parts are all stored, unless another worker has: then that seal counts. */
export async function sealShard(store: ObjectStore, plan: Plan, shard: number): Promise<Sealed> {
  const chain = chainParts(await listParts(store, shard), shardRange(plan, shard), plan.samples);
  if (chain.missing.length > 0)
    throw new StoreError('retryable', `parts of shard ${shard} are missing from ${store.uri}; try again`);
  const keys = chain.parts.map((part) => part.key);
  const assembled = await assemble(store, plan, keys);
  const seal: Seal = { parts: keys, record: recordOf(plan, shard, assembled) };
  const written = await store.create(objects.seal(shard), json(seal), { contentType: CONTENT_TYPES.json });
  return written === 'created' ? { seal, assembled } : { seal: (await readSeal(store, plan, shard))! };
}

function recordOf(plan: Plan, shard: number, { chunks, parts }: Assembled): ShardRecord {
  const cells = sumTallies(parts.flatMap((part) => part.cells));
  const { accepted, attempts } = totals(cells);
  return {
    apiVersion: 'cohortfarm.dev/record/v1',
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
    shard,
    key: objects.shard(plan.name, shard),
    sha256: sha256(...chunks),
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    ...shardRange(plan, shard),
    accepted,
    attempts,
    provider: [...new Set(parts.map((part) => part.provider))].sort().join('+'),
    cells: cells.sort((a, b) => (a.cell < b.cell ? -1 : 1)),
    exhausted: parts.flatMap((part) => part.exhausted),
  };
}

/** Writes what a seal fixes: the tar, then the record that commits it. */
export async function commitShard(store: ObjectStore, plan: Plan, { seal, assembled }: Sealed): Promise<ShardRecord> {
  const { record } = seal;
  const { chunks } = assembled ?? (await assemble(store, plan, seal.parts));
  if (sha256(...chunks) !== record.sha256) {
    throw new StoreError(
      'terminal',
      `the parts of ${record.key} have changed since ${objects.seal(record.shard)} was written; remove ${objects.shardWork(record.shard)} from ${store.uri}`,
      { reason: 'DatasetDamaged' },
    );
  }
  const written = await store.create(record.key, chunks, { contentType: CONTENT_TYPES.tar });
  if (written === 'exists' && sha256((await store.get(record.key)) ?? '') !== record.sha256) {
    throw new StoreError(
      'terminal',
      `${store.uri}/${record.key} was written by something else; remove it and run again`,
      { reason: 'DatasetDamaged' },
    );
  }
  await store.create(objects.record(record.shard), json(record), { contentType: CONTENT_TYPES.json });
  return record;
}
