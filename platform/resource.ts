import { readdir } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReasonName } from '../contract/reasons.ts';
import { SpecError } from '../contract/schema/issue.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { installedFile } from './files.ts';
import { hashFolder } from './folder.ts';
import { cachedCopy } from './model-cache.ts';
import { objectAt, openStore, type S3Options, StoreError } from './store/store.ts';

/** Everything that a spec names by URI: files that are read, and model folders that must lie on this machine to be used. */

/** Base of relative paths, folder of models from S3, and settings of S3. */
export interface ResourceContext {
  readonly baseDir: string;
  readonly cacheDir: string;
  readonly s3?: S3Options;
}

/** Settings of S3 from `spec.output.s3`; they hold for every s3:// URI of the dataset. */
export function s3Options({ spec }: Pick<SyntheticDataset, 'spec'>): S3Options {
  const { endpoint, region, forcePathStyle } = spec.output.s3 ?? {};
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
  };
}

/** Models that come with CohortFarm. */
const EMBEDDED = installedFile('models');

/**
 * A URI as one that does not depend on the place of the spec: `embedded:NAME` and relative paths become absolute paths;
 * s3:// stays.
 * @throws StoreError (terminal) for a URI of another kind
 */
export function resolveUri(uri: string, baseDir: string): string {
  if (uri.startsWith('embedded:')) {
    const path = resolve(EMBEDDED, uri.slice('embedded:'.length));
    if (path.startsWith(EMBEDDED + sep)) return path;
    throw new StoreError(
      'terminal',
      `${JSON.stringify(uri)} leaves the folder of embedded models; write embedded:NAME`,
      { reason: 'SpecInvalid' },
    );
  }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1];
  if (scheme === undefined) return resolve(baseDir, uri);
  if (scheme === 's3') return uri;
  if (/^file:\/\/\//.test(uri)) return fileURLToPath(uri);
  throw new StoreError(
    'terminal',
    `${JSON.stringify(uri)} cannot be read; use s3://, file:///, embedded:NAME or a path`,
    { reason: 'SpecInvalid' },
  );
}

const fault = (path: string, message: string, reason: ReasonName): SpecError =>
  new SpecError([{ path, message }], { reason });

/** As `resolveUri`, for a URI that a field of the spec names. @throws SpecError that names the field */
function resolveField(uri: string, field: string, { baseDir }: ResourceContext): string {
  try {
    return resolveUri(uri, baseDir);
  } catch (error) {
    throw new SpecError([{ path: field, message: (error as Error).message }]);
  }
}

/** The bytes of one file that a field of the spec names. @throws SpecError when it does not exist */
export async function readResource(uri: string, field: string, context: ResourceContext): Promise<Uint8Array> {
  const absolute = resolveField(uri, field, context);
  const { store, key } = objectAt(absolute, context.s3);
  const bytes = await store.get(key);
  if (bytes === null) throw fault(field, `there is no file ${absolute}; correct the path`, 'InputNotFound');
  return bytes;
}

export interface Folder {
  readonly dir: string;
  readonly digest: string;
}

export interface FolderWanted {
  readonly uri: string;
  /** Whether a path below the folder belongs to it. */
  readonly includes: (path: string) => boolean;
  /** Refuse other contents. */
  readonly sha256?: string | undefined;
  /** For messages: the spec field that names the folder. */
  readonly field: string;
}

/**
 * Brings a folder onto this machine: a local one is used where it is, one from S3 is copied into the cache, once for all
 * processes that share it. Digests are computed from the files before anything is used, those of the cache included.
 * @throws SpecError when it is empty or differs from the pin
 */
export async function fetchFolder(wanted: FolderWanted, context: ResourceContext): Promise<Folder> {
  const uri = resolveField(wanted.uri, wanted.field, context);
  const folder = uri.startsWith('s3:') ? await fetchRemote(uri, wanted, context) : await digestFolder(uri, wanted);
  if (wanted.sha256 !== undefined && wanted.sha256 !== folder.digest) {
    const message = `the digest of ${uri} is ${folder.digest}, not ${wanted.sha256} as sha256 demands; correct the pin or the URI`;
    throw fault(wanted.field, message, 'ModelInvalid');
  }
  return folder;
}

/** A folder on this machine. @throws SpecError when it cannot be read or holds no such files */
async function digestFolder(dir: string, { includes, field }: FolderWanted): Promise<Folder> {
  const hashed = await hashFolder(dir, includes).catch(async (cause: NodeJS.ErrnoException) => {
    const fix = dir.startsWith(EMBEDDED + sep) ? `embedded are ${await embedded()}` : 'correct the path';
    throw fault(field, `the folder ${dir} cannot be read (${cause.code}); ${fix}`, 'ModelNotFound');
  });
  if (hashed) return { dir, digest: hashed.digest };
  throw fault(field, `the folder ${dir} holds no model files; correct the path`, 'ModelNotFound');
}

async function embedded(): Promise<string> {
  const entries = await readdir(EMBEDDED, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? `embedded:${entry.name}` : [])).join(', ');
}

async function fetchRemote(uri: string, wanted: FolderWanted, context: ResourceContext): Promise<Folder> {
  const copy = await cachedCopy(openStore(uri, context.s3), wanted, context.cacheDir);
  if (copy) return copy;
  throw fault(wanted.field, `${uri} holds no model files; correct the URI`, 'ModelNotFound');
}
