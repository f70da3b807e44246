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
import { digestStored, readStored } from '../stored.ts';
import { chainParts, decodePart, type StoredPart } from './part.ts';
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

/** A part, or the seal that fixed parts, cannot be used: `discard` removes it, and the shard is worked on again. */
export class LostPartError extends StoreError {
  /** The part; null when each is sound, but not what the seal fixed. */
  readonly key: string | null;
  constructor(key: string | null, message: string, cause?: unknown) {
    super('retryable', message, cause === undefined ? {} : { cause });
    this.key = key;
  }
}

/** Removes the seal and the lost part, in this order: a seal must never name a part that is not there. */
export async function discard(store: ObjectStore, shard: number, { key }: LostPartError): Promise<void> {
  await store.remove([objects.seal(shard)]);
  if (key !== null) await store.remove([key]);
}

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

/**
 * Writes what a seal fixes: the tar, then the record that commits it.
 * @throws LostPartError when the bytes of the seal cannot be had any more
 */
export async function commitShard(store: ObjectStore, plan: Plan, { seal, assembled }: Sealed): Promise<ShardRecord> {
  const { record } = seal;
  const isWritten = !assembled && (await hasDigest(store, record.key, record.sha256));
  if (!isWritten) {
    const { chunks } = assembled ?? (await assemble(store, plan, seal.parts));
    if (sha256(...chunks) !== record.sha256)
      throw new LostPartError(null, `the parts of ${record.key} are not those of ${objects.seal(record.shard)}`);
    const written = await store.create(record.key, chunks, { contentType: CONTENT_TYPES.tar });
    if (written === 'exists' && !(await hasDigest(store, record.key, record.sha256))) {
      // Another farm may have committed the shard meanwhile, on hardware that computes differently.
      const committed = await readRecord(store, plan, record.shard);
      if (committed) return committed;
      throw new StoreError(
        'terminal',
        `${store.uri}/${record.key} was written by something else; remove it and run again`,
        { reason: 'DatasetDamaged' },
      );
    }
  }
  await store.create(objects.record(record.shard), json(record), { contentType: CONTENT_TYPES.json });
  return record;
}

async function hasDigest(store: ObjectStore, key: string, digest: string): Promise<boolean> {
  return (await digestStored(store, key))?.sha256 === digest;
}
