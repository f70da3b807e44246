import { canonicalFile, digestOf } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import { type Seal, sealSchema } from '../../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { DAMAGED_AT_REST, getUnlessDamaged, parseStored } from '../stored.ts';

/** The seal of a shard: which parts make it, and the record that follows from them. The first writer decides. */

/** A part, or the seal that fixed parts, cannot be used: `discard` removes it, and the shard is worked on again. */
export class LostPartError extends StoreError {
  /** The part; null when each is sound, but not what the seal fixed. */
  readonly key: string | null;
  constructor(key: string | null, message: string, cause?: unknown) {
    super('retryable', message, cause === undefined ? {} : { cause });
    this.key = key;
  }
}

/** Seals a shard, unless another worker has. */
export async function createSeal(store: ObjectStore, seal: Seal): Promise<'created' | 'exists'> {
  const body = canonicalFile({ ...seal, digest: digestOf(seal) });
  return store.create(objects.seal(seal.record.shard), body, { contentType: CONTENT_TYPES.json });
}

/** The seal of a shard; null while parts are missing. @throws LostPartError when it is damaged */
export async function readSeal(store: ObjectStore, plan: Plan, shard: number): Promise<Seal | null> {
  const key = objects.seal(shard);
  const bytes = await getUnlessDamaged(store, key);
  if (!bytes) return null;
  const seal = bytes instanceof StoreError ? DAMAGED_AT_REST : parseSeal(bytes);
  if (typeof seal === 'string') throw new LostPartError(null, `${store.uri}/${key} ${seal}; the shard is sealed again`);
  const { planDigest } = seal.record;
  if (planDigest !== plan.digest) throw otherPlanFailure(`${store.uri}/${key}`, { planDigest }, plan);
  return seal;
}

/** A seal, or what is wrong with it. */
function parseSeal(bytes: Uint8Array): Seal | string {
  const parsed = parseStored(bytes, sealSchema);
  if (typeof parsed === 'string') return parsed;
  const { digest, ...seal } = parsed.value;
  return digest === undefined || digest === digestOf(seal) ? seal : 'has another digest than it states';
}

/**
 * Removes the seal and the lost part, in this order: a seal must never name a part that is not there. A worker that has read
 * both may still write the tar, so a copy of the seal stays, by the digest of that tar.
 */
export async function discard(store: ObjectStore, shard: number, { key }: LostPartError): Promise<void> {
  const bytes = await getUnlessDamaged(store, objects.seal(shard));
  const seal = bytes instanceof Uint8Array && parseSeal(bytes);
  if (seal && typeof seal !== 'string')
    await store.create(objects.retiredSeal(shard, seal.record.sha256), bytes, { contentType: CONTENT_TYPES.json });
  await store.remove([objects.seal(shard)]);
  if (key !== null) await store.remove([key]);
}

/** The discarded seal that fixed a tar of this digest; null when none did. */
export async function readRetired(store: ObjectStore, plan: Plan, shard: number, sha256: string): Promise<Seal | null> {
  const bytes = await store.get(objects.retiredSeal(shard, sha256));
  const seal = bytes && parseSeal(bytes);
  const isOurs = seal && typeof seal !== 'string' && seal.record.planDigest === plan.digest;
  return isOurs && seal.record.sha256 === sha256 ? seal : null;
}
