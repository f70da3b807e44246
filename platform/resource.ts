import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type FolderFile, folderDigest } from '../contract/folder.ts';
import type { ReasonName } from '../contract/reasons.ts';
import { SpecError } from '../contract/schema/issue.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { objectAt, openStore, type S3Options, StoreError } from './store/store.ts';

/** What a spec names by URI: files that are read, and model folders that must lie on this machine to be used. */

/** Where relative paths start, where models from S3 are kept, and how S3 is reached. */
export interface ResourceContext {
  readonly baseDir: string;
  readonly cacheDir: string;
  readonly s3?: S3Options;
}

/** How S3 is reached, from `spec.output.s3`; it holds for every s3:// URI of the dataset. */
export function s3Options({ spec }: Pick<SyntheticDataset, 'spec'>): S3Options {
  const { endpoint, region, forcePathStyle } = spec.output.s3 ?? {};
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
  };
}

/** Models that come with CohortFarm. */
const EMBEDDED = resolve(import.meta.dirname, '../models');

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
 * Brings a folder onto this machine: a local one is used where it lies, one from S3 is copied into the cache (a pinned
 * one only once). Digests are checked before anything is used.
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

async function digestFolder(dir: string, { includes, field }: FolderWanted): Promise<Folder> {
  let names: string[] = [];
  try {
    names = (await readdir(dir, { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.isDirectory())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(dir.length + 1)
          .split(sep)
          .join('/'),
      )
      .filter(includes);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code;
    const fix = dir.startsWith(EMBEDDED + sep) ? `embedded are ${await embedded()}` : 'correct the path';
    throw fault(field, `the folder ${dir} cannot be read (${reason}); ${fix}`, 'ModelNotFound');
  }
  if (names.length === 0) {
    throw fault(field, `the folder ${dir} holds no model files; correct the path`, 'ModelNotFound');
  }
  const files: FolderFile[] = [];
  for (const path of names) files.push({ path, sha256: await fileSha256(join(dir, path)) });
  return { dir, digest: folderDigest(files) };
}

async function embedded(): Promise<string> {
  const entries = await readdir(EMBEDDED, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? `embedded:${entry.name}` : [])).join(', ');
}

async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function fetchRemote(uri: string, wanted: FolderWanted, context: ResourceContext): Promise<Folder> {
  const kept = wanted.sha256 && join(context.cacheDir, 'models', wanted.sha256);
  if (kept && (await stat(kept).catch(() => null))) return digestFolder(kept, wanted);
  await mkdir(join(context.cacheDir, 'models'), { recursive: true });
  const temporary = await mkdtemp(join(context.cacheDir, 'models', 'incoming-'));
  try {
    await copyRemote(uri, temporary, wanted, context);
    const folder = await digestFolder(temporary, wanted);
    const place = join(context.cacheDir, 'models', folder.digest);
    // Another process may have put the same folder there meanwhile; then this copy is not needed.
    await rename(temporary, place).catch(() => rm(temporary, { recursive: true, force: true }));
    return { dir: place, digest: folder.digest };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

const CHUNK = 64 * 2 ** 20;

async function copyRemote(
  uri: string,
  target: string,
  { includes, field }: FolderWanted,
  context: ResourceContext,
): Promise<void> {
  const store = openStore(uri, context.s3);
  let copied = 0;
  for await (const { key, size } of store.list('')) {
    if (!includes(key)) continue;
    const path = join(target, key);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'wx');
    try {
      for (let start = 0; start < size; start += CHUNK) {
        const bytes = await store.get(key, { start, end: Math.min(size, start + CHUNK) });
        if (bytes === null) throw new StoreError('retryable', `${uri}/${key} vanished while it was read; try again`);
        await file.write(bytes);
      }
    } finally {
      await file.close();
    }
    copied++;
  }
  if (copied === 0) throw fault(field, `${uri} holds no model files; correct the URI`, 'ModelNotFound');
}
