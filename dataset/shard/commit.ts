import { sumTallies, totals } from '../../contract/account/tally.ts';
import { canonicalFile, sha256 } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects, parsePartKey } from '../../contract/names.ts';
import { type Plan, shardRange } from '../../contract/plan/plan.ts';
import { type PartRecord, type Seal, type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { digestStored, getUnlessDamaged, readStored } from '../stored.ts';
import { joinFeatures, stageFeatures, storedFeatures } from './features.ts';
import { chainParts, type DecodedPart, decodePart, type StoredPart } from './part.ts';
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
  /** The file of feature vectors; null where the plan has no encoder. */
  readonly features: Uint8Array | null;
}

async function assemble(store: ObjectStore, plan: Plan, keys: readonly string[]): Promise<Assembled> {
  const chunks: Uint8Array[] = [];
  const parts: PartRecord[] = [];
  const features: HalfMatrix[] = [];
  for (const key of keys) {
    const part = await readPart(store, plan, key);
    chunks.push(part.members);
    parts.push(part.record);
    if (part.features) features.push(part.features);
  }
  const hasFeatures = plan.spec.quality.encoder !== undefined;
  return { chunks: [...chunks, TAR_END], parts, features: hasFeatures ? joinFeatures(features) : null };
}

/** Reads a part that is stored. @throws LostPartError when it is lost or damaged */
export async function readPart(store: ObjectStore, plan: Plan, key: string): Promise<DecodedPart> {
  const bytes = await getUnlessDamaged(store, key);
  if (bytes instanceof StoreError) throw new LostPartError(key, bytes.message, bytes);
  if (!bytes) throw new LostPartError(key, `${store.uri}/${key} is gone; its samples are generated again`);
  let part: DecodedPart;
  try {
    part = decodePart(bytes);
  } catch (cause) {
    const message = `${store.uri}/${key} is damaged (${(cause as Error).message}); its samples are generated again`;
    throw new LostPartError(key, message, cause);
  }
  assertSamePlan(store, plan, key, part.record.planDigest);
  return part;
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

function recordOf(plan: Plan, shard: number, { chunks, parts, features }: Assembled): ShardRecord {
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
    ...(features && {
      features: { key: objects.features(plan.name, shard), sha256: sha256(features), bytes: features.length },
    }),
  };
}

/**
 * Writes what a seal fixes: the tar, the features of its images, and the record that commits both. The features are stored
 * by their digest before the tar, since the first tar decides, of whichever worker it is.
 * @throws LostPartError when the bytes of the seal cannot be had any more
 */
export async function commitShard(store: ObjectStore, plan: Plan, { seal, assembled }: Sealed): Promise<ShardRecord> {
  const { record } = seal;
  const isWritten = !assembled && (await digestStored(store, record.key))?.sha256 === record.sha256;
  if (!isWritten) {
    const { chunks, features } = assembled ?? (await assemble(store, plan, seal.parts));
    if (sha256(...chunks) !== record.sha256)
      throw new LostPartError(null, `the parts of ${record.key} are not those of ${objects.seal(record.shard)}`);
    if (features) await stageFeatures(store, record.shard, features);
    const written = await store.create(record.key, chunks, { contentType: CONTENT_TYPES.tar });
    if (written === 'exists') {
      const found = await digestStored(store, record.key);
      if (found?.sha256 !== record.sha256) return commitOther(store, plan, record, found?.sha256 ?? '');
    }
  }
  return writeRecord(store, plan, seal);
}

async function writeRecord(store: ObjectStore, plan: Plan, seal: Seal): Promise<ShardRecord> {
  const { record } = seal;
  await writeFeatures(store, plan, seal);
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
  if (retired) return writeRecord(store, plan, retired);
  throw foreignObject(store, key);
}

/** Brings the features of a shard to their name, once its tar is written. @throws LostPartError when they cannot be had any more */
async function writeFeatures(store: ObjectStore, plan: Plan, { parts, record }: Seal): Promise<void> {
  const { features } = record;
  if (!features) return;
  const found = await digestStored(store, features.key);
  if (found?.sha256 === features.sha256) return;
  if (found) throw foreignObject(store, features.key);
  const bytes =
    (await storedFeatures(store, objects.stagedFeatures(record.shard, features.sha256), features.sha256)) ??
    (await assemble(store, plan, parts)).features!;
  if (sha256(bytes) !== features.sha256)
    throw new LostPartError(null, `the parts of ${features.key} are not those of ${objects.seal(record.shard)}`);
  const written = await store.create(features.key, bytes, { contentType: CONTENT_TYPES.npy });
  if (written === 'exists' && (await digestStored(store, features.key))?.sha256 !== features.sha256)
    throw foreignObject(store, features.key);
}

const foreignObject = (store: ObjectStore, key: string): StoreError =>
  new StoreError('terminal', `${store.uri}/${key} was written by something else; remove it and run again`, {
    reason: 'DatasetDamaged',
  });
