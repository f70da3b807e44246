import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf } from '../contract/digest.ts';
import { folderDigest } from '../contract/folder.ts';
import { downloadAll } from './download.ts';
import { hashFolder } from './folder.ts';
import { doOnce, type LockTimes } from './lock.ts';
import { type ListedObject, type ObjectStore, StoreError } from './store/store.ts';

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
  const download = async (isHeld: () => Promise<boolean>): Promise<Copy> => {
    const incoming = join(models, `${INCOMING}${name}`);
    const copy = await fill({ store, objects, wanted, models, incoming, isHeld });
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
  readonly incoming: string;
  readonly isHeld: () => Promise<boolean>;
}

/** Downloads into `incoming`, where the next download resumes if this one is killed, and moves it to its place. */
async function fill({ store, objects, wanted, models, incoming, isHeld }: Filling): Promise<Copy> {
  const isResumed = (await mkdir(incoming, { recursive: true })) === undefined;
  let files = await downloadAll(store, objects, incoming);
  if (isResumed && wanted.sha256 !== undefined && folderDigest(files) !== wanted.sha256) {
    // What a killed download left may be damaged; the next look is at the store's bytes alone.
    await rm(incoming, { recursive: true, force: true });
    files = await downloadAll(store, objects, incoming);
  }
  if (!(await isHeld())) {
    throw new StoreError('retryable', `${incoming}: another process has taken this download over; try again`);
  }
  const digest = folderDigest(files);
  return { dir: await keep(incoming, join(models, digest), { ...wanted, digest }), digest };
}

/** A copy that is there and still what its name says; null when it is not. */
async function readCopy(models: string, digest: string, { includes }: CopyWanted): Promise<Copy | null> {
  const dir = join(models, digest);
  const found = await hashFolder(dir, includes).catch(() => null);
  return found?.digest === digest ? { dir, digest } : null;
}

/** Moves a complete copy to its place, unless a sound one is there. @returns the place */
async function keep(copy: string, place: string, wanted: CopyWanted & { readonly digest: string }): Promise<string> {
  await syncFolder(copy);
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(copy, place);
      await syncFolder(dirname(place));
      return place;
    } catch (error) {
      // Another process may have put the same folder there; or what is there is damaged, and makes way.
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

/** A download that has written nothing for so long is not gone on with. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000;

/** Removes what killed downloads left. */
async function sweepLeftovers(models: string): Promise<void> {
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
    if (Date.now() - Math.max(...times) > LEFTOVER_AGE_MS) await rm(folder, { recursive: true, force: true });
  }
}
