import { isReferenceFile } from '../contract/folder.ts';
import { type Reference, readReference } from '../dataset/reference.ts';
import { fetchFolder } from '../platform/resource.ts';
import { cacheDir } from './load.ts';
import { type S3Flags, s3FromFlags } from './open.ts';

/** A reference that `--reference` names. */

export interface GivenReference {
  readonly reference: Reference;
  /** SHA-256 of its folder. */
  readonly digest: string;
}

/** Fetches and reads a reference; null where the option is not given. */
export async function fetchReference(uri: string | undefined, flags: S3Flags): Promise<GivenReference | null> {
  if (uri === undefined) return null;
  const context = { baseDir: process.cwd(), cacheDir: cacheDir(), s3: s3FromFlags(flags) };
  const { dir, digest } = await fetchFolder({ uri, includes: isReferenceFile, field: '--reference' }, context);
  return { reference: await readReference(dir), digest };
}
