import { execFile } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackedPackages } from '../real/packages.ts';
import { cacheFolder } from '../servers/tools.ts';

const run = promisify(execFile);

const SUITE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';

/**
 * A file system in place of the base image node:24-slim, of Debian's packages and the Node that runs this: for
 * machines that reach package mirrors and no image registry. A tar file, kept in the cache.
 */
export async function baseFileSystem(): Promise<string> {
  const file = join(cacheFolder(), `base-${SUITE}-node-${process.versions.node}.tar`);
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  const folder = await mkdtemp(`${file}-`);
  try {
    await bootstrap(folder);
    await addNode(folder);
    // The name is there only once all of the file is.
    const packed = `${folder}.tar`;
    await run('tar', [
      '--create',
      '--file',
      packed,
      '--directory',
      folder,
      '--numeric-owner',
      '--exclude=./dev/*',
      '.',
    ]);
    await rename(packed, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return file;
}

async function bootstrap(folder: string): Promise<void> {
  const tools = await unpackedPackages('debootstrap', ['debootstrap']);
  const args = ['--variant=minbase', '--include=ca-certificates', SUITE, folder, MIRROR];
  const env = { ...process.env, DEBOOTSTRAP_DIR: join(tools, 'usr/share/debootstrap') };
  await run('sh', [join(tools, 'usr/sbin/debootstrap'), ...args], { env, maxBuffer: 2 ** 26 });
  for (const left of ['var/cache/apt', 'var/lib/apt/lists'])
    await rm(join(folder, left), { recursive: true, force: true });
}

async function addNode(folder: string): Promise<void> {
  const [bin, npm] = [join(folder, 'usr/local/bin'), join(folder, 'usr/local/lib/node_modules/npm')];
  await mkdir(npm, { recursive: true });
  await cp(process.execPath, join(bin, 'node'));
  const { stdout: version } = await run('npm', ['--version']);
  const { stdout: archive } = await run('npm', ['pack', '--silent', `npm@${version.trim()}`], { cwd: npm });
  await run('tar', ['--extract', '--strip-components=1', '--file', archive.trim()], { cwd: npm });
  await rm(join(npm, archive.trim()));
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm'));
}
