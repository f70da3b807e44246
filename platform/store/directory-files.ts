import { constants, type Dirent, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf } from './directory-errors.ts';
import { StoreError } from './errors.ts';
import type { ByteRange } from './types.ts';

/** One read(2) takes at most 2^31 - 1 bytes; smaller reads also keep the thread pool fair. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/** Content of a regular file, or the part of it in `range`; null when there is none. Never follows a symbolic link. */
export async function readWhole(path: string, range?: ByteRange): Promise<Uint8Array | null> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return null;
    throw error;
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) return null;
    const start = Math.min(range?.start ?? 0, found.size);
    const bytes = new Uint8Array(Math.max(0, Math.min(range?.end ?? found.size, found.size) - start));
    let done = 0;
    while (done < bytes.length) {
      const wanted = Math.min(MAX_READ_BYTES, bytes.length - done);
      const { bytesRead } = await file.read(bytes, done, wanted, start + done);
      if (bytesRead === 0) throw new StoreError('retryable', `${path} became shorter while it was read`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Entries of a folder; none when it is missing. */
export async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return [];
    throw error;
  }
}

/** The kind of entry at a path, a symbolic link not followed; null when there is none. */
export async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return null;
    throw error;
  }
}

/** Makes a folder and those above it, and flushes the entries of the new ones. */
export async function makeFolder(path: string): Promise<void> {
  const first = await makeAgain(path);
  if (first === undefined) return;
  for (let folder = path; ; folder = dirname(folder)) {
    await flushFolder(dirname(folder));
    if (folder === first) return;
  }
}

/** More in a row have another cause. */
const MAX_PRUNED = 100;

/** Makes a folder, again where another process pruned one above it in between. @returns the first that was made */
async function makeAgain(path: string): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await mkdir(path, { recursive: true });
    } catch (error) {
      // ENOTDIR is what Node makes of a folder that was there at its first look and gone at the second.
      if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error)) || attempt === MAX_PRUNED) throw error;
    }
  }
}

/** Makes the folder's entries survive a power failure. */
export async function flushFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    // The folder was pruned by another process together with what was in it.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Where the symbolic link at `path` leads; null when that is nowhere.
 * @throws StoreError (terminal) when it leads out of `root`
 */
export async function followInside(root: string, path: string): Promise<string | null> {
  const target = await realpath(path).catch((error) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (target === null || target.startsWith(join(await realpath(root), '/'))) return target;
  throw new StoreError('terminal', `${path} is a symbolic link that leads out of ${root}: put a copy in its place`);
}

/** For catch(): another process was faster, and the wanted state is reached. */
export function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}
