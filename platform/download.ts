import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FolderFile } from '../contract/folder.ts';
import { type ListedObject, type ObjectStore, StoreError } from './store/store.ts';

/** Objects of a store as files of a folder: several ranges at a time, hashed on the way, and from where a killed download was. */

const CHUNK = 16 * 2 ** 20;
const PARALLEL = 4;

/** @returns the files with their digests. @throws StoreError, also for a full disk */
export async function downloadAll(
  store: ObjectStore,
  objects: readonly ListedObject[],
  target: string,
): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  for (const object of objects) {
    const path = join(target, object.key);
    try {
      files.push({ path: object.key, sha256: await downloadOne(store, object, path) });
    } catch (cause) {
      if (!['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
      const message = `${target}: no space is left for ${store.uri}/${object.key} (${object.size} bytes); give workers.modelCache a larger volume`;
      throw new StoreError('retryable', message, { cause });
    }
  }
  return files;
}

async function downloadOne(store: ObjectStore, { key, size }: ListedObject, path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, constants.O_RDWR | constants.O_CREAT);
  try {
    const hash = createHash('sha256');
    const start = await keepStored(file, path, size, hash);
    let at = start;
    for await (const bytes of ranges(store, key, { start, end: size })) {
      hash.update(bytes);
      await writeAt(file, bytes, at);
      await file.datasync();
      at += bytes.length;
    }
    const written = (await file.stat()).size;
    if (written !== size)
      throw new StoreError('retryable', `${path} has ${written} bytes after its download, not ${size}; try again`);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** Writes at a place of its own, so that a download that was taken over and still runs does no harm. */
async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Keeps the chunks that a killed download surely stored, all but its last; their bytes go into the hash. @returns their size */
async function keepStored(file: FileHandle, path: string, size: number, hash: Hash): Promise<number> {
  const found = (await file.stat()).size;
  const kept = found > size ? 0 : Math.max(0, Math.ceil(found / CHUNK) - 1) * CHUNK;
  await file.truncate(kept);
  if (kept > 0) await pipeline(createReadStream(path, { end: kept - 1 }), hash, { end: false });
  return kept;
}

/** The bytes of a range in order, several requests under way at a time. */
async function* ranges(
  store: ObjectStore,
  key: string,
  range: { start: number; end: number },
): AsyncGenerator<Uint8Array, void> {
  const pending: Promise<Uint8Array>[] = [];
  try {
    for (let start = range.start; start < range.end || pending.length > 0; ) {
      while (pending.length < PARALLEL && start < range.end) {
        const end = Math.min(range.end, start + CHUNK);
        const piece = readRange(store, key, { start, end });
        piece.catch(() => {}); // Awaited in its turn.
        pending.push(piece);
        start = end;
      }
      yield await pending.shift()!;
    }
  } finally {
    await Promise.allSettled(pending);
  }
}

async function readRange(store: ObjectStore, key: string, range: { start: number; end: number }): Promise<Uint8Array> {
  const bytes = await store.get(key, range);
  if (bytes?.length === range.end - range.start) return bytes;
  throw new StoreError('retryable', `${store.uri}/${key} changed while it was read; try again`);
}
