import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type FolderFile, folderDigest } from '../contract/folder.ts';
import type { ReasonName } from '../contract/reasons.ts';
import { SpecError } from '../contract/schema/issue.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { installedFile } from './files.ts';
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
 * Brings a folder onto this machine: a local one is used where it is, one from S3 is copied into the cache (a pinned one only
 * once). Digests are computed from the files before anything is used, those of the cache included.
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

async function digestFolder(dir: string, wanted: FolderWanted): Promise<Folder> {
  return { dir, digest: (await hashFolder(dir, wanted)).digest };
}

/** The files of a folder on this machine with their digests, and the digest of all. @throws SpecError when there are none */
export async function hashFolder(
  dir: string,
  { includes, field }: Pick<FolderWanted, 'includes' | 'field'>,
): Promise<{ readonly files: readonly FolderFile[]; readonly digest: string }> {
  let names: string[] = [];
  try {
    names = (await filesBelow(dir)).filter(includes);
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
  return { files, digest: folderDigest(files) };
}

/** Paths of all files below a folder. Links to folders are followed, since whoever opens a file below does so, too. */
async function filesBelow(dir: string, path = '', above: readonly string[] = []): Promise<string[]> {
  const place = await realpath(join(dir, path));
  if (above.includes(place)) return [];
  const files: string[] = [];
  for (const entry of await readdir(place, { withFileTypes: true })) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(dir, below))));
    if (isFolder) files.push(...(await filesBelow(dir, below, [...above, place])));
    else files.push(below);
  }
  return files;
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

async function embedded(): Promise<string> {
  const entries = await readdir(EMBEDDED, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? `embedded:${entry.name}` : [])).join(', ');
}

async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/**
 * A copy of a remote folder in the cache, at the place of its digest. What is there already is used only if its digest is
 * still that of its name; a damaged copy is replaced.
 */
async function fetchRemote(uri: string, wanted: FolderWanted, context: ResourceContext): Promise<Folder> {
  const cache = join(context.cacheDir, 'models');
  if (wanted.sha256 !== undefined) {
    const kept = await readKept(join(cache, wanted.sha256), wanted);
    if (kept?.digest === wanted.sha256) return kept;
  }
  await mkdir(cache, { recursive: true });
  await sweepLeftovers(cache);
  const temporary = await mkdtemp(join(cache, INCOMING));
  try {
    await copyRemote(uri, temporary, wanted, context);
    const { digest } = await digestFolder(temporary, wanted);
    return { dir: await keep(temporary, join(cache, digest), { ...wanted, digest }), digest };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const INCOMING = 'incoming-';
/** A download that has written nothing for so long was killed. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000;

const readKept = (place: string, wanted: FolderWanted): Promise<Folder | null> =>
  stat(place).then(
    () => digestFolder(place, wanted).catch(() => null),
    () => null,
  );

/** Moves a complete copy to its place, unless a sound one is there. @returns the place */
async function keep(copy: string, place: string, wanted: FolderWanted & { readonly digest: string }): Promise<string> {
  await syncFolder(copy);
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(copy, place);
      await syncFolder(dirname(place));
      return place;
    } catch (error) {
      // Another process may have put the same folder there; or what is there is damaged, and makes way.
      if ((await readKept(place, wanted))?.digest === wanted.digest) return place;
      if (attempt === 2) throw error;
      await rename(place, `${copy}-damaged`).catch(() => undefined);
      await rm(`${copy}-damaged`, { recursive: true, force: true });
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what killed downloads left; another node's download on a shared volume is still being written to. */
async function sweepLeftovers(cache: string): Promise<void> {
  for (const name of (await readdir(cache)).filter((entry) => entry.startsWith(INCOMING))) {
    const folder = join(cache, name);
    const files = await readdir(folder, { recursive: true }).catch(() => []);
    const times = await Promise.all(
      ['', ...files].map((file) =>
        stat(join(folder, file)).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      ),
    );
    if (Date.now() - Math.max(...times) > LEFTOVER_AGE_MS) await rm(folder, { recursive: true, force: true });
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
        await file.writeFile(bytes);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    copied++;
  }
  if (copied === 0) throw fault(field, `${uri} holds no model files; correct the URI`, 'ModelNotFound');
}
