import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf } from '../contract/digest.ts';
import { folderDigest } from '../contract/folder.ts';
import { downloadAll } from './download.ts';
import { hashFolder } from './folder.ts';
import { doOnce, type LockTimes } from './lock.ts';
import type { ListedObject, ObjectStore } from './store/store.ts';

/**
 * Folders of a store as copies in a cache, which may be one volume for many pods: each is downloaded once.
 * `models/DIGEST` is a whole copy; `sources/NAME` says which digest a listing of the store had.
 */

export interface Copy {
  readonly dir: string;
  readonly digest: string;
}

export interface CopyWanted {
  readonly includes: (path: string) => boolean;
  /** Its copy is used without a look into the store. */
  readonly sha256?: string | undefined;
}

/** @returns null when the store holds no such files. @throws StoreError */
export async function cachedCopy(
  store: ObjectStore,
  wanted: CopyWanted,
  cacheDir: string,
  times?: LockTimes,
): Promise<Copy | null> {
  const models = join(cacheDir, 'models');
  const pinned = wanted.sha256 === undefined ? null : await readCopy(models, wanted.sha256, wanted);
  if (pinned) return pinned;
  const objects = (await Array.fromAsync(store.list(''))).filter(({ key }) => wanted.includes(key));
  if (objects.length === 0) return null;
  await mkdir(models, { recursive: true });
  await sweepLeftovers(models);
  const name = digestOf({ uri: store.uri, objects: objects.map(({ key, size, etag }) => [key, size, etag ?? null]) });
  const source = join(cacheDir, 'sources', name);
  // Without a tag of the content, the same listing may describe other bytes.
  const isKnown = objects.every(({ etag }) => etag !== undefined);
  const ready = async (): Promise<Copy | null> => {
    const digest = isKnown ? await readFile(source, 'utf8').catch(() => '') : (wanted.sha256 ?? '');
    return /^[0-9a-f]{64}$/.test(digest) ? readCopy(models, digest, wanted) : null;
  };
  const download = async (): Promise<Copy> => {
    const copy = await fill({ store, objects, wanted, models, name });
    await writeFile(`${source}.new`, copy.digest);
    await rename(`${source}.new`, source);
    return copy;
  };
  return doOnce(`${source}.lock`, ready, download, times);
}

const INCOMING = 'incoming-';

interface Filling {
  readonly store: ObjectStore;
  readonly objects: readonly ListedObject[];
  readonly wanted: CopyWanted;
  readonly models: string;
  readonly name: string;
}

/**
 * Downloads into a folder of its own and moves that to its place. A killed download is resumed from a copy of its files, so
 * that one that merely stood still and wakes up never writes to files of the download that took over.
 */
async function fill({ store, objects, wanted, models, name }: Filling): Promise<Copy> {
  const leftovers = (await readdir(models)).filter((entry) => entry.startsWith(`${INCOMING}${name}-`));
  const incoming = await mkdtemp(join(models, `${INCOMING}${name}-`));
  const former = leftovers.map((entry) => join(models, entry));
  let files = await downloadAll(store, objects, incoming, former);
  if (former.length > 0 && wanted.sha256 !== undefined && folderDigest(files) !== wanted.sha256) {
    // What a killed download left may be damaged; the store's bytes decide.
    files = await downloadAll(store, objects, incoming, []);
  }
  const digest = folderDigest(files);
  const dir = await keep(incoming, join(models, digest), { ...wanted, digest });
  for (const folder of former) await rm(folder, { recursive: true, force: true });
  return { dir, digest };
}

/** A copy that is there and still what its name says; null when it is not. */
async function readCopy(models: string, digest: string, { includes }: CopyWanted): Promise<Copy | null> {
  const dir = join(models, digest);
  const found = await hashFolder(dir, includes).catch(() => null);
  return found?.digest === digest ? { dir, digest } : null;
}

/** Moves a complete copy to its place, unless a sound one is there. @returns the place */
async function keep(copy: string, place: string, wanted: CopyWanted & { readonly digest: string }): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      await syncFolder(copy);
      await rename(copy, place);
      await syncFolder(dirname(place));
      return place;
    } catch (error) {
      // Another process may have put the same folder there and removed ours; or what is there is damaged, and makes way.
      if (await readCopy(dirname(place), wanted.digest, wanted)) {
        await rm(copy, { recursive: true, force: true });
        return place;
      }
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

/** A download that has written nothing for so long is not resumed. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000;

/** Removes what killed downloads left. Ages are by the clock of the file system, which may be another machine's. */
async function sweepLeftovers(models: string): Promise<void> {
  const probe = await mkdtemp(join(models, `${INCOMING}probe-`));
  const now = (await stat(probe)).mtimeMs;
  await rm(probe, { recursive: true, force: true });
  for (const name of (await readdir(models)).filter((entry) => entry.startsWith(INCOMING))) {
    const folder = join(models, name);
    const files = await readdir(folder, { recursive: true }).catch(() => []);
    const times = await Promise.all(
      ['', ...files].map((file) =>
        stat(join(folder, file)).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      ),
    );
    if (now - Math.max(...times) > LEFTOVER_AGE_MS) await rm(folder, { recursive: true, force: true });
  }
}
