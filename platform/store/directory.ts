import { link, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { codeOf, wrapFileError } from './directory-errors.ts';
import {
  flushFolder,
  followInside,
  ignoreMissing,
  lstatOrNull,
  makeFolder,
  readFolder,
  readWhole,
} from './directory-files.ts';
import { TEMP_FOLDER, TempFiles } from './directory-temp.ts';
import { StoreError } from './errors.ts';
import { assertKey, assertPrefix, compareKeys } from './keys.ts';
import type { ByteRange, ListedObject, ObjectBody, ObjectStore, WriteOptions } from './types.ts';

/**
 * Objects as files under one folder, on any file system with hard links. An object becomes visible by link(2) or rename(2)
 * of a finished, flushed temporary file, so a process killed at any moment leaves the object whole or absent. An object name
 * never leads out of the folder: symbolic links are followed inside it only, and not listed.
 */
export class DirectoryStore implements ObjectStore {
  readonly uri: string;
  readonly #root: string;
  readonly #temp: TempFiles;

  /** @param root absolute path; made on the first write */
  constructor(root: string) {
    this.#root = root;
    this.uri = pathToFileURL(root).href.replace(/\/+$/, '');
    this.#temp = new TempFiles(root);
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    return this.#guard('read', key, async () => {
      const path = await this.#locateTarget(key);
      return path === null ? null : readWhole(path, range);
    });
  }

  async stat(key: string): Promise<{ size: number } | null> {
    return this.#guard('read', key, async () => {
      const path = await this.#locateTarget(key);
      const found = path === null ? null : await lstatOrNull(path);
      return found?.isFile() ? { size: found.size } : null;
    });
  }

  async create(key: string, body: ObjectBody, _options: WriteOptions): Promise<'created' | 'exists'> {
    return this.#guard('create', key, async () => {
      const path = await this.#locate(key, 'make');
      // Cheap look first: a resumed run asks for much that is there already.
      if (await this.#isTaken(path)) return 'exists';
      const outcome = await this.#temp.with(body, async (temporary) => {
        try {
          await this.#inFolder(key, () => link(temporary, path));
          return 'created' as const;
        } catch (error) {
          if (codeOf(error) === 'EEXIST' && (await this.#isTaken(path))) return 'exists' as const;
          throw error;
        }
      });
      await flushFolder(dirname(path));
      return outcome;
    });
  }

  async replace(key: string, body: ObjectBody, _options: WriteOptions): Promise<void> {
    await this.#guard('write', key, async () => {
      const path = await this.#locate(key, 'make');
      await this.#temp.with(body, (temporary) => this.#inFolder(key, () => rename(temporary, path)));
      await flushFolder(dirname(path));
    });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    assertPrefix(prefix);
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    const start = folder === '' ? this.#root : await this.#guard('list', folder, () => this.#locate(`${folder}x`));
    if (start === null) return;
    yield* this.#walk(folder === '' ? start : dirname(start), folder, prefix);
  }

  /** link(2) makes a name or fails. */
  async assertConditional(): Promise<void> {}

  async remove(keys: readonly string[]): Promise<void> {
    const changed = new Set<string>();
    for (const key of keys) {
      await this.#guard('remove', key, async () => {
        const path = await this.#locate(key);
        const found = path === null ? null : await lstatOrNull(path);
        if (found === null || found.isDirectory()) return;
        await unlink(path!).catch(ignoreMissing);
        changed.delete(dirname(path!));
        changed.add(await this.#pruneFolders(key));
      });
    }
    // Or they may be there again after a power failure, without what was removed after them.
    for (const folder of changed) await this.#guard('remove', '', () => flushFolder(folder));
  }

  async *#walk(path: string, folder: string, prefix: string): AsyncIterable<ListedObject> {
    const entries = await this.#guard('list', folder, () => readFolder(path));
    // A folder sorts as its name with "/", because that is how the names below it continue.
    const names = entries.map((entry) => ({ entry, key: folder + entry.name + (entry.isDirectory() ? '/' : '') }));
    names.sort((a, b) => compareKeys(a.key, b.key));
    for (const { entry, key } of names) {
      if (key === `${TEMP_FOLDER}/`) continue;
      if (entry.isDirectory() && (key.startsWith(prefix) || prefix.startsWith(key))) {
        yield* this.#walk(join(path, entry.name), key, prefix);
      } else if (entry.isFile() && key.startsWith(prefix)) {
        const found = await this.#guard('list', key, () => lstatOrNull(join(path, entry.name)));
        if (found !== null) yield { key, size: found.size };
      }
    }
  }

  /** Path of a key, every folder on the way being below the root; null (or made) when one is missing. */
  async #locate(key: string, missing: 'make'): Promise<string>;
  async #locate(key: string): Promise<string | null>;
  async #locate(key: string, missing?: 'make'): Promise<string | null> {
    assertKey(key);
    const segments = key.split('/');
    if (segments[0] === TEMP_FOLDER)
      throw new StoreError('terminal', `object names must not start with ${TEMP_FOLDER}/`);
    if (missing === 'make') await makeFolder(this.#root);
    let folder = this.#root;
    for (const segment of segments.slice(0, -1)) {
      const next = await this.#enter(join(folder, segment), missing);
      if (next === null) return null;
      folder = next;
    }
    return join(folder, segments.at(-1)!);
  }

  /** The folder at a path, a symbolic link followed; null when there is none and none is to be made. */
  async #enter(path: string, missing?: 'make'): Promise<string | null> {
    const found = await lstatOrNull(path);
    if (found?.isDirectory()) return path;
    if (found?.isSymbolicLink()) {
      const target = await followInside(this.#root, path);
      if (target !== null && (await lstatOrNull(target))?.isDirectory()) return target;
    }
    if (missing === undefined) return null;
    if (found !== null) throw new StoreError('terminal', `${path} is an object already and cannot be a folder as well`);
    await makeFolder(path);
    return path;
  }

  /** As {@link #locate}, and resolves a symbolic link of that name. */
  async #locateTarget(key: string): Promise<string | null> {
    const path = await this.#locate(key);
    const found = path === null ? null : await lstatOrNull(path);
    return found?.isSymbolicLink() ? followInside(this.#root, path!) : path;
  }

  /** Runs a step that needs the object's folder, made again when another process pruned it in between. */
  async #inFolder(key: string, step: () => Promise<void>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await step();
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === 5) throw error;
        await this.#locate(key, 'make');
      }
    }
  }

  async #isTaken(path: string): Promise<boolean> {
    const found = await lstatOrNull(path);
    if (found?.isDirectory()) {
      throw new StoreError('terminal', `${path} is a folder of objects and cannot be an object as well`);
    }
    return found !== null;
  }

  /** Removes the folders above a removed object that are empty now. @returns the first that stays */
  async #pruneFolders(key: string): Promise<string> {
    for (let folder = dirname(key); folder !== '.'; folder = dirname(folder)) {
      try {
        await rmdir(join(this.#root, folder));
      } catch {
        return join(this.#root, folder); // not empty, or another process was faster: only tidiness is lost
      }
    }
    return this.#root;
  }

  async #guard<T>(action: string, key: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw wrapFileError(error, action, `${this.uri}/${key}`);
    }
  }
}
