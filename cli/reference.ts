import { isReferenceFile } from '../contract/folder.ts';
import { readReference } from '../dataset/reference.ts';
import type { GivenReference } from '../dataset/verify/novelty.ts';
import { fetchFolder } from '../platform/resource.ts';
import { cacheDir } from './load.ts';
import { type S3Flags, s3FromFlags } from './open.ts';

/** A reference that `--reference` names. */

/** Fetches and reads a reference; null where the option is not given. */
export async function fetchReference(uri: string | undefined, flags: S3Flags): Promise<GivenReference | null> {
  if (uri === undefined) return null;
  const context = { baseDir: process.cwd(), cacheDir: cacheDir(), s3: s3FromFlags(flags) };
  const { dir, digest } = await fetchFolder({ uri, includes: isReferenceFile, field: '--reference' }, context);
  return { reference: await readReference(dir), sha256: digest };
}
