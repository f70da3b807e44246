import { execFile } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackedPackages } from '../real/packages.ts';
import { cacheFolder } from '../servers/tools.ts';
import { type Architecture, OWN_ARCHITECTURE } from './emulation.ts';

const run = promisify(execFile);

const SUITE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';

/**
 * A file system in place of the base image node:24-slim, of Debian's packages and Node in the version that runs this: for
 * machines that reach package mirrors and no image registry. A tar file, kept in the cache. The programs of another
 * architecture must run here.
 */
export async function baseFileSystem(architecture: Architecture): Promise<string> {
  const file = join(cacheFolder(), `base-${SUITE}-${architecture}-node-${process.versions.node}.tar`);
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  const folder = await mkdtemp(`${file}-`);
  try {
    await bootstrap(folder, architecture);
    await addNode(folder, architecture);
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

async function bootstrap(folder: string, architecture: Architecture): Promise<void> {
  const tools = await unpackedPackages('debootstrap', ['debootstrap']);
  const args = [`--arch=${architecture}`, '--variant=minbase', '--include=ca-certificates', SUITE, folder, MIRROR];
  const env = { ...process.env, DEBOOTSTRAP_DIR: join(tools, 'usr/share/debootstrap') };
  await run('sh', [join(tools, 'usr/sbin/debootstrap'), ...args], { env, maxBuffer: 2 ** 26 });
  for (const left of ['var/cache/apt', 'var/lib/apt/lists'])
    await rm(join(folder, left), { recursive: true, force: true });
}

async function addNode(folder: string, architecture: Architecture): Promise<void> {
  const local = join(folder, 'usr/local');
  const [bin, npm] = [join(local, 'bin'), join(local, 'lib/node_modules/npm')];
  await mkdir(bin, { recursive: true });
  if (architecture === OWN_ARCHITECTURE) await cp(process.execPath, join(bin, 'node'));
  else await unpackPackage(`node-linux-${architecture}@${process.versions.node}`, local);
  const { stdout: version } = await run('npm', ['--version']);
  await unpackPackage(`npm@${version.trim()}`, npm);
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm'));
}

async function unpackPackage(name: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await run('npm', ['pack', '--silent', name], { cwd: folder });
  const archive = stdout.trim();
  await run('tar', ['--extract', '--strip-components=1', '--file', archive], { cwd: folder });
  await rm(join(folder, archive));
}
