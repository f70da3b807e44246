import { sha256 } from '../../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import { areFinite } from '../../platform/half.ts';
import { type HalfMatrix, npyHeader, readNpy } from '../../platform/npy.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { uint16Bytes } from '../../platform/uint16.ts';
import { DAMAGED_AT_REST, getUnlessDamaged } from '../stored.ts';

/** The feature vectors of a shard's images: `features/NAME-000000.npy`, one row for each image in the order of the tar. */

/** The file of all rows of some matrices, one after another. */
export function joinFeatures(matrices: readonly HalfMatrix[]): Uint8Array {
  const rows = matrices.reduce((sum, matrix) => sum + matrix.rows, 0);
  return Buffer.concat([npyHeader(rows, matrices[0]?.columns ?? 0), ...matrices.map(({ bits }) => uint16Bytes(bits))]);
}

/** Stores the features of a shard by their digest. */
export async function stageFeatures(store: ObjectStore, shard: number, file: Uint8Array): Promise<void> {
  await store.create(objects.stagedFeatures(shard, sha256(file)), file, { contentType: CONTENT_TYPES.npy });
}

/** The bytes of an object if they have a digest; null otherwise. */
export async function storedFeatures(store: ObjectStore, key: string, digest: string): Promise<Uint8Array | null> {
  const bytes = await getUnlessDamaged(store, key);
  return bytes instanceof Uint8Array && sha256(bytes) === digest ? bytes : null;
}

/** The features of a committed shard, or what is wrong with them. */
export async function readFeatures(
  store: ObjectStore,
  { features, accepted }: Pick<ShardRecord, 'features' | 'accepted'>,
): Promise<HalfMatrix | string> {
  if (!features) return 'is not named by the record';
  const bytes = await getUnlessDamaged(store, features.key);
  if (bytes instanceof StoreError) return DAMAGED_AT_REST;
  if (!bytes) return 'is missing';
  const digest = sha256(bytes);
  if (digest !== features.sha256) return `has SHA-256 ${digest}, the record says ${features.sha256}`;
  if (bytes.length !== features.bytes) return `has ${bytes.length} bytes, the record says ${features.bytes}`;
  try {
    const matrix = readNpy(bytes);
    if (matrix.columns === 0 && accepted > 0) return 'has rows without numbers';
    if (!areFinite(matrix.bits)) return 'holds numbers that are not finite';
    return matrix.rows === accepted ? matrix : `has ${matrix.rows} rows, the shard has ${accepted} images`;
  } catch (error) {
    return `cannot be read: ${(error as Error).message}`;
  }
}
