import { execFile } from 'node:child_process';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../../contract/digest.ts';

/** Python virtual environments that tests make themselves, in the cache, once for each set of requirements. */

const run = promisify(execFile);

/** Python 3.11, with venv: Debian splits it off. */
const PROBE = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))';

/**
 * One line that says what to install before tests can use Python; false when it is there. With CI set, what is missing is
 * an error instead: nothing skips there.
 */
export async function missingPython(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const found = await run('python3', ['-c', PROBE], { env }).catch(() => undefined);
  if (found) return false;
  const line = 'this test needs python3, 3.11 or newer, with venv (apt-get install python3 python3-venv)';
  if (env.CI) throw new Error(line);
  return line;
}

/** Arguments of one `pip install`, given the folder of the environment. */
export type PipInstall = (folder: string) => readonly string[];

/**
 * The Python of a virtual environment: `${COHORTFARM_CACHE:-~/.cache/cohortfarm}/venv-NAME-HASH`, HASH being that of the
 * requirements. The first call makes it; one that was killed leaves nothing half made.
 */
export async function virtualPython(
  name: string,
  requirements: readonly string[],
  installs: readonly PipInstall[] = [() => requirements.flatMap((file) => ['-r', file])],
): Promise<string> {
  const cache = process.env.COHORTFARM_CACHE || join(homedir(), '.cache', 'cohortfarm');
  const { stdout: version } = await run('python3', ['--version']);
  const hash = sha256(version, ...(await Promise.all(requirements.map((file) => readFile(file))))).slice(0, 16);
  const folder = join(cache, `venv-${name}-${hash}`);
  const python = join(folder, 'bin', 'python');
  const complete = await access(join(folder, 'complete')).then(
    () => true,
    () => false,
  );
  if (complete) return python;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(cache, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', unfinished]);
    for (const install of installs) {
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...install(unfinished)];
      await run(join(unfinished, 'bin', 'python'), pip, { maxBuffer: 64 * 2 ** 20 });
    }
    await writeFile(join(unfinished, 'complete'), '');
    // Whoever is first counts; a folder that another test run has put there meanwhile holds the same.
    await rename(unfinished, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return python;
}
