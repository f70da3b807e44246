import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, glob, mkdir, mkdtemp, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Images made from files of this machine, without an engine: an OCI archive of one layer. */

/** Settings of the container's process. */
export interface ImageConfig {
  readonly Entrypoint: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
}

/** Copies a program and every library that it and the libraries below `folders` want, to the same places below `root`. */
export async function copyProgram(root: string, program: string, target: string, folders: readonly string[] = []) {
  await mkdir(dirname(join(root, target)), { recursive: true });
  await cp(await realpath(program), join(root, target));
  const files = [program];
  for (const folder of folders) for await (const file of glob(`${folder}/**/*.{so,so.*,node}`)) files.push(file);
  const wanted = new Set<string>();
  for (const file of files) for (const library of await librariesOf(file)) wanted.add(library);
  for (const library of wanted) {
    if (folders.some((folder) => library.startsWith(folder))) continue;
    await mkdir(dirname(join(root, library)), { recursive: true });
    await cp(await realpath(library), join(root, library));
  }
}

async function librariesOf(file: string): Promise<string[]> {
  // Of another architecture, or static.
  const { stdout } = await run('ldd', [file]).catch(() => ({ stdout: '' }));
  return [...stdout.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map((match) => match[1]!);
}

/** Packs the files below `root` as an OCI archive at `archive`, for `ctr image import`. */
export async function packImage(archive: string, root: string, name: string, config: ImageConfig): Promise<void> {
  const folder = await mkdtemp(`${archive}-`);
  try {
    const blobs = join(folder, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const layerFile = join(folder, 'layer');
    await run('tar', [
      '--create',
      '--file',
      layerFile,
      '--directory',
      root,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '.',
    ]);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(layerFile)) hash.update(chunk as Buffer);
    const digest = `sha256:${hash.digest('hex')}`;
    await rename(layerFile, join(folder, pathOf(digest)));
    const put = async (mediaType: string, content: object) => {
      const bytes = Buffer.from(JSON.stringify(content));
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      await writeFile(join(folder, pathOf(digest)), bytes);
      return { mediaType, digest, size: bytes.length };
    };
    const type = 'application/vnd.oci.image';
    const rootfs = { type: 'layers', diff_ids: [digest] };
    const layer = { mediaType: `${type}.layer.v1.tar`, digest, size: (await stat(join(folder, pathOf(digest)))).size };
    const platform = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' };
    const content = await put(`${type}.config.v1+json`, { ...platform, config, rootfs });
    const manifestType = `${type}.manifest.v1+json`;
    const manifest = await put(manifestType, {
      schemaVersion: 2,
      mediaType: manifestType,
      config: content,
      layers: [layer],
    });
    const annotations = { 'io.containerd.image.name': name };
    await writeFile(
      join(folder, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, platform, annotations }] }),
    );
    await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await run('tar', ['--create', '--file', archive, '--directory', folder, 'oci-layout', 'index.json', 'blobs']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const pathOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

/** Folders that programs expect, for a user that is not root. */
export async function baseFolders(root: string): Promise<void> {
  await mkdir(join(root, 'etc'), { recursive: true });
  await mkdir(join(root, 'tmp'), { recursive: true });
  await run('chmod', ['1777', join(root, 'tmp')]);
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/false\n');
}
