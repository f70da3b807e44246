import { sumTallies, totals } from '../../contract/account/tally.ts';
import { canonicalFile, sha256 } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects, parsePartKey } from '../../contract/names.ts';
import { type Plan, shardRange } from '../../contract/plan/plan.ts';
import { type PartRecord, type Seal, type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { digestStored, getUnlessDamaged, readStored } from '../stored.ts';
import { chainParts, decodePart, type StoredPart } from './part.ts';
import { createSeal, LostPartError, readRetired, readSeal } from './seal.ts';
import { TAR_END } from './tar.ts';

/**
 * How a shard becomes final, safe against being killed and against a second worker at the same shard:
 *
 *   parts --> seal (first writer decides which parts) --> tar --> record (the commit)
 *
 * Parts and seal are written once and never changed, so that each worker that finishes the shard writes the very same bytes,
 * even on hardware whose arithmetic is not repeatable. A part that is lost or damaged at rest is made again, and with it the
 * seal that names it.
 */

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

interface Assembled {
  readonly chunks: readonly Uint8Array[];
  readonly parts: readonly PartRecord[];
}

async function assemble(store: ObjectStore, plan: Plan, keys: readonly string[]): Promise<Assembled> {
  const chunks: Uint8Array[] = [];
  const parts: PartRecord[] = [];
  for (const key of keys) {
    const bytes = await getUnlessDamaged(store, key);
    if (bytes instanceof StoreError) throw new LostPartError(key, bytes.message, bytes);
    if (!bytes) throw new LostPartError(key, `${store.uri}/${key} is gone; its samples are generated again`);
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
    const message = `${store.uri}/${key} is damaged (${(cause as Error).message}); its samples are generated again`;
    throw new LostPartError(key, message, cause);
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
  const written = await createSeal(store, seal);
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

/**
 * Writes what a seal fixes: the tar, then the record that commits it.
 * @throws LostPartError when the bytes of the seal cannot be had any more
 */
export async function commitShard(store: ObjectStore, plan: Plan, { seal, assembled }: Sealed): Promise<ShardRecord> {
  const { record } = seal;
  const isWritten = !assembled && (await digestStored(store, record.key))?.sha256 === record.sha256;
  if (!isWritten) {
    const { chunks } = assembled ?? (await assemble(store, plan, seal.parts));
    if (sha256(...chunks) !== record.sha256)
      throw new LostPartError(null, `the parts of ${record.key} are not those of ${objects.seal(record.shard)}`);
    const written = await store.create(record.key, chunks, { contentType: CONTENT_TYPES.tar });
    if (written === 'exists') {
      const found = await digestStored(store, record.key);
      if (found?.sha256 !== record.sha256) return commitOther(store, plan, record, found?.sha256 ?? '');
    }
  }
  return writeRecord(store, record);
}

async function writeRecord(store: ObjectStore, record: ShardRecord): Promise<ShardRecord> {
  const body = canonicalFile(record);
  await store.create(objects.record(record.shard), body, { contentType: CONTENT_TYPES.json });
  return record;
}

/** Commits a shard whose tar is another worker's, on hardware that computes differently: with its record, not with ours. */
async function commitOther(
  store: ObjectStore,
  plan: Plan,
  { shard, key }: ShardRecord,
  digest: string,
): Promise<ShardRecord> {
  // Another farm may have committed it meanwhile.
  const committed = await readRecord(store, plan, shard);
  if (committed) return committed;
  const retired = await readRetired(store, plan, shard, digest);
  if (retired) return writeRecord(store, retired.record);
  throw new StoreError('terminal', `${store.uri}/${key} was written by something else; remove it and run again`, {
    reason: 'DatasetDamaged',
  });
}
