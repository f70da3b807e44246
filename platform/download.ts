import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FolderFile } from '../contract/folder.ts';
import { type ListedObject, type ObjectStore, StoreError } from './store/store.ts';

/** Objects of a store as files of a folder: several ranges at a time, hashed on the way, and from where a killed download was. */

const CHUNK = 16 * 2 ** 20;
const PARALLEL = 4;

/**
 * @param former folders of killed downloads of the same objects; only read
 * @returns the files with their digests. @throws StoreError, also for a full disk
 */
export async function downloadAll(
  store: ObjectStore,
  objects: readonly ListedObject[],
  target: string,
  former: readonly string[],
): Promise<FolderFile[]> {
  const files: FolderFile[] = [];
  for (const object of objects) {
    const path = join(target, object.key);
    try {
      files.push({
        path: object.key,
        sha256: await downloadOne(store, object, path, await largest(former, object.key)),
      });
    } catch (cause) {
      if (!['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
      const message = `${target}: no space is left for ${store.uri}/${object.key} (${object.size} bytes); give workers.modelCache a larger volume`;
      throw new StoreError('retryable', message, { cause });
    }
  }
  return files;
}

/** The file of this name in one of the folders that has most bytes; null when none has it. */
async function largest(folders: readonly string[], key: string): Promise<string | null> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const path = join(folder, key);
      return { path, size: (await stat(path).catch(() => null))?.size ?? 0 };
    }),
  );
  return found.sort((a, b) => b.size - a.size).find(({ size }) => size > 0)?.path ?? null;
}

async function downloadOne(
  store: ObjectStore,
  { key, size }: ListedObject,
  path: string,
  former: string | null,
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w');
  try {
    const hash = createHash('sha256');
    const start = former === null ? 0 : await copyStored(former, file, size, hash);
    for await (const bytes of ranges(store, key, { start, end: size })) {
      hash.update(bytes);
      await file.writeFile(bytes);
      await file.datasync();
    }
    const written = (await file.stat()).size;
    if (written !== size)
      throw new StoreError('retryable', `${path} has ${written} bytes after its download, not ${size}; try again`);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** Copies the chunks that a killed download surely stored, all but its last. @returns their size in bytes */
async function copyStored(former: string, file: FileHandle, size: number, hash: Hash): Promise<number> {
  const found = (await stat(former)).size;
  const stored = found > size ? 0 : Math.max(0, Math.ceil(found / CHUNK) - 1) * CHUNK;
  let copied = 0;
  if (stored === 0) return copied;
  for await (const bytes of createReadStream(former, { end: stored - 1 })) {
    hash.update(bytes);
    await file.writeFile(bytes);
    copied += bytes.length;
  }
  return copied;
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
