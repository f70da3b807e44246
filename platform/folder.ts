import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type FolderFile, folderDigest } from '../contract/folder.ts';

/** Folders of files on this machine, and what they hold. */

export interface HashedFolder {
  readonly files: readonly FolderFile[];
  readonly digest: string;
}

/** The files of a folder with their digests, and the digest of all; null when none of them counts. @throws as `readdir` does */
export async function hashFolder(dir: string, includes: (path: string) => boolean): Promise<HashedFolder | null> {
  const files: FolderFile[] = [];
  for (const path of (await filesBelow(dir)).filter(includes))
    files.push({ path, sha256: await fileSha256(join(dir, path)) });
  return files.length === 0 ? null : { files, digest: folderDigest(files) };
}

/** Paths of all files below a folder. Links to folders are followed, since every reader follows them, too. */
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

async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
