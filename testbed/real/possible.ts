import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverFolder } from '../servers/process.ts';
import { makeCgroup } from './cgroups.ts';

const run = promisify(execFile);

/**
 * Why the real kubelet can't run on this machine, in one line; null where it can. What could be had and is not (a package, a
 * build that fails) does not count: that is an error where it is needed.
 */
export async function whyNoRealKubelet(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const command of ['apt-get', 'dpkg', 'unshare', 'ldd']) {
    const isThere = await run('/bin/sh', ['-c', `command -v ${command}`])
      .then(() => true)
      .catch(() => false);
    if (!isThere) return `it needs ${command}, which takes containerd and runc from the packages of Debian or Ubuntu`;
  }
  try {
    await (await makeCgroup()).remove();
  } catch (error) {
    return `it may make no control group here: ${(error as Error).message}`;
  }
  return canOverlay();
}

/** Images are layers, which overlayfs puts on each other. */
async function canOverlay(): Promise<string | null> {
  const folder = await serverFolder('overlay');
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(join(folder, name));
    const options = ['lower', 'upper', 'work'].map((name) => `${name}dir=${join(folder, name)}`).join();
    const mount = ['mount', '-t', 'overlay', 'overlay', '-o', options, join(folder, 'merged')];
    await run('unshare', ['--mount', '--pid', '--fork', ...mount]);
    return null;
  } catch (error) {
    return `it may mount no overlay file system here: ${(error as Error).message}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
