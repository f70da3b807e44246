import { createHash } from 'node:crypto';

/**
 * Seeds: a keyed bijection of the 32-bit numbers, so that no two attempts of a dataset share one. A balanced Feistel
 * network on 16-bit halves is a permutation whatever its round function is (Luby and Rackoff 1988).
 */

export const SEED_SPACE = 2 ** 32;
const ROUNDS = 6;

/** Round keys for a dataset's `spec.seed`: 32-bit words of SHA-256. */
export function seedKeys(seed: number): Uint32Array {
  const bytes = createHash('sha256').update(`cohortfarm seed ${seed}`).digest();
  return Uint32Array.from({ length: ROUNDS }, (_, round) => bytes.readUInt32LE(4 * round));
}

/** A 32-bit mix of a half and a key (the finaliser of MurmurHash3, Austin Appleby, public domain). */
function mix(half: number, key: number): number {
  let h = (half ^ key) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) & 0xffff;
}

/**
 * The generator seed of the `ordinal`-th attempt of a dataset (index * maxAttempts + attempt).
 * @returns an unsigned 32-bit integer, different for every ordinal
 */
export function attemptSeed(keys: Uint32Array, ordinal: number): number {
  let left = Math.floor(ordinal / 0x10000);
  let right = ordinal & 0xffff;
  for (const key of keys) [left, right] = [right, left ^ mix(right, key)];
  return left * 0x10000 + right;
}
