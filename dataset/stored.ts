import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type ObjectStore, StoreError } from '../platform/store/store.ts';

/** Reading back the JSON objects of a dataset, which anyone may have changed since they were written. */

/**
 * The parsed object; null when it is absent.
 * @throws StoreError (terminal) that names the object when it is not what CohortFarm writes
 */
export async function readStored<T>(store: ObjectStore, key: string, schema: z.ZodType<T>): Promise<T | null> {
  const bytes = await store.get(key);
  if (!bytes) return null;
  const parsed = parseStored(bytes, schema);
  if (typeof parsed === 'string')
    throw new StoreError('terminal', `${store.uri}/${key} ${parsed}; restore or remove it`, {
      reason: 'DatasetDamaged',
    });
  return parsed.value;
}

/**
 * The bytes of an object; null when it is absent, and an error that says so when they are not what was stored, by the
 * checksum that the store keeps.
 */
export async function getUnlessDamaged(store: ObjectStore, key: string): Promise<Uint8Array | null | StoreError> {
  try {
    return await store.get(key);
  } catch (error) {
    if (error instanceof StoreError && error.isDamaged) return error;
    throw error;
  }
}

/** The fault of an object that the store itself finds damaged. */
export const DAMAGED_AT_REST = 'is damaged: its bytes do not match the checksum that the store keeps of it';

/** An object of any length is digested in pieces of this many bytes. */
const PIECE = 64 * 1024 * 1024;

/** Length and SHA-256 of an object. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Digests an object, which is read in pieces; null when it is absent. */
export async function digestStored(store: ObjectStore, key: string): Promise<Digest | null> {
  const hash = createHash('sha256');
  for (let bytes = 0; ; ) {
    const piece = await store.get(key, { start: bytes, end: bytes + PIECE });
    if (!piece) return null;
    hash.update(piece);
    bytes += piece.length;
    if (piece.length < PIECE) return { bytes, sha256: hash.digest('hex') };
  }
}

/** The value of a JSON text, or what is wrong with it. */
export function parseStored<T>(bytes: Uint8Array, schema: z.ZodType<T>): { value: T } | string {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return 'is not valid JSON';
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { value: parsed.data };
  const issues = parsed.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`);
  return `is not as this version writes it (${issues.join('; ')})`;
}
