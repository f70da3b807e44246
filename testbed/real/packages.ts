import { execFile } from 'node:child_process';
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
  const version = await candidates(packages).catch(async () => {
    // A machine that is new has no lists yet.
    await run('apt-get', ['update']);
    return candidates(packages);
  });
  const folder = join(cacheFolder(), `${name}-${version}`);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) await unpack(folder, packages);
  return folder;
}

/** Versions of the packages, as a part of a file name. */
async function candidates(packages: readonly string[]): Promise<string> {
  const { stdout } = await run('apt-cache', ['show', '--no-all-versions', ...packages]);
  const versions = [...stdout.matchAll(/^Version: (\S+)$/gm)].map((match) => match[1]!);
  if (versions.length !== packages.length) throw new Error(`apt knows no ${packages.join(' or ')}`);
  return versions.join('_').replace(/[^\w.+~-]/g, '-');
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
