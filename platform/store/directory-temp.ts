import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rmdir, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isStreamed } from './body.ts';
import { codeOf } from './directory-errors.ts';
import { ignoreMissing } from './directory-files.ts';
import type { ObjectBody } from './types.ts';

/** Hidden folder for unfinished files, below the store's own folder so that both are on one file system. */
export const TEMP_FOLDER = '.cohortfarm-tmp';

/** No write takes this long: a file this old was left by a killed writer, on whatever machine. */
const LEFTOVER_AGE_MS = 60 * 60 * 1000;
const MAX_WRITEV_CHUNKS = 1024; // IOV_MAX
/** Node counts the bytes of one write in 32 bits. */
const MAX_WRITE_BYTES = 2 ** 30;

/** Writes unfinished files of one store, and removes what killed writers left. */
export class TempFiles {
  readonly #folder: string;
  #swept = false;

  constructor(root: string) {
    this.#folder = join(root, TEMP_FOLDER);
  }

  /** Gives `use` the path of a flushed file with that content, and removes the path afterwards. */
  async with<T>(body: ObjectBody, use: (path: string) => Promise<T>): Promise<T> {
    if (!this.#swept) {
      this.#swept = true;
      await this.#sweep(Date.now() - LEFTOVER_AGE_MS);
    }
    const path = join(this.#folder, `${await processSpace()}-${process.pid}-${randomUUID()}`);
    try {
      await this.#write(path, body);
      return await use(path);
    } finally {
      await unlink(path).catch(ignoreMissing);
      await rmdir(this.#folder).catch(() => undefined); // stays while another writer has a file in it
    }
  }

  async #write(path: string, body: ObjectBody): Promise<void> {
    const file = await this.#open(path);
    try {
      if (isStreamed(body)) {
        for await (const chunk of body.chunks()) await writeFully(file, [chunk]);
      } else {
        for (const group of groupsOf(body instanceof Uint8Array ? [body] : body)) await writeFully(file, group);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #open(path: string): Promise<Awaited<ReturnType<typeof open>>> {
    for (let attempt = 0; ; attempt++) {
      try {
        await mkdir(this.#folder, { recursive: true });
        return await open(path, 'wx');
      } catch (error) {
        // Another writer may remove the empty folder between the two calls.
        if (codeOf(error) !== 'ENOENT' || attempt === 100) throw error;
      }
    }
  }

  async #sweep(before: number): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names) {
      const path = join(this.#folder, name);
      try {
        if ((await isOfDeadWriter(name)) || (await stat(path)).mtimeMs < before) await unlink(path);
      } catch (error) {
        ignoreMissing(error);
      }
    }
  }
}

let space: Promise<string> | null = null;

/**
 * The scope in which process ids are unique: the host and, on Linux, its boot, since host names may be equal, and the
 * namespace of a container.
 */
function processSpace(): Promise<string> {
  space ??= (async () => {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
    return [hostname(), boot.slice(0, 8) || 0, /\d+/.exec(namespace)?.[0] ?? 0].join('.');
  })();
  return space;
}

/** Whether the name of an unfinished file is that of a process which has run here and has ended. */
async function isOfDeadWriter(name: string): Promise<boolean> {
  const prefix = `${await processSpace()}-`;
  const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
  if (Number.isNaN(pid)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** Groups chunks into writes that the system takes at once; a chunk that is too long is cut. */
function* groupsOf(chunks: readonly Uint8Array[]): Generator<Uint8Array[], void> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += MAX_WRITE_BYTES) {
      const piece = chunk.subarray(at, at + MAX_WRITE_BYTES);
      if (group.length === MAX_WRITEV_CHUNKS || bytes + piece.length > MAX_WRITE_BYTES) {
        yield group;
        group = [];
        bytes = 0;
      }
      group.push(piece);
      bytes += piece.length;
    }
  }
  if (group.length > 0) yield group;
}

async function writeFully(file: Awaited<ReturnType<typeof open>>, chunks: readonly Uint8Array[]): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let { bytesWritten: done } = await file.writev([...chunks]);
  if (done === total) return;
  // A nearly full disk takes less than it was given; the next write then reports why.
  const rest = Buffer.concat(chunks);
  while (done < total) done += (await file.write(rest, done, total - done)).bytesWritten;
}
