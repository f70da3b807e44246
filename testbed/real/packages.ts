import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../servers/tools.ts';

const run = promisify(execFile);

/** The container runtime, taken from the packages of this machine's Debian or Ubuntu without installing them. */
export interface Runtime {
  /** Folder of containerd and its shims. */
  readonly programs: string;
  readonly ctr: string;
  readonly containerd: string;
  readonly runc: string;
}

export async function containerRuntime(): Promise<Runtime> {
  const folder = await unpackedPackages('runtime', ['containerd', 'runc']);
  const programs = join(folder, 'usr/bin');
  return {
    programs,
    ctr: join(programs, 'ctr'),
    containerd: join(programs, 'containerd'),
    runc: join(folder, 'usr/sbin/runc'),
  };
}

/**
 * The folder into which packages of this machine's Debian or Ubuntu are unpacked, in the cache. The first call downloads
 * them, in the versions that the machine's package lists name.
 */
export async function unpackedPackages(name: string, packages: readonly string[]): Promise<string> {
  const version = await withLists(() => candidates(packages));
  const folder = join(cacheFolder(), `${name}-${version}`);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) await unpack(folder, packages);
  return folder;
}

/** The packages, and all that they depend on and this machine does not have. */
export async function withDependencies(packages: readonly string[]): Promise<string[]> {
  const install = ['install', '--simulate', '--no-install-recommends', ...packages];
  const { stdout } = await withLists(() => run('apt-get', install));
  const missing = [...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  return [...new Set([...packages, ...missing])].sort();
}

/** Asks again with lists of packages, which a machine that is new has not got yet. */
const withLists = <T>(ask: () => Promise<T>): Promise<T> =>
  ask().catch(async () => {
    await run('apt-get', ['update']);
    return ask();
  });

/** Versions of the packages, as a part of a file name. */
async function candidates(packages: readonly string[]): Promise<string> {
  const { stdout } = await run('apt-cache', ['show', '--no-all-versions', ...packages]);
  const versions = [...stdout.matchAll(/^Version: (\S+)$/gm)].map((match) => match[1]!);
  if (versions.length !== packages.length) throw new Error(`apt knows no ${packages.join(' or ')}`);
  const text = versions.join('_').replace(/[^\w.+~-]/g, '-');
  // A folder has a name of at most 255 bytes.
  return text.length <= 128 ? text : createHash('sha256').update(text).digest('hex').slice(0, 16);
}

async function unpack(folder: string, packages: readonly string[]): Promise<void> {
  await mkdir(cacheFolder(), { recursive: true });
  const unfinished = await mkdtemp(`${folder}-`);
  try {
    await run('apt-get', ['download', ...packages], { cwd: unfinished });
    for (const file of (await readdir(unfinished)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', file, '.'], { cwd: unfinished });
      await rm(join(unfinished, file));
    }
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another test run may have been faster.
    await access(folder).catch(() => {
      throw error;
    });
  }
}
