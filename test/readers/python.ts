import { execFile } from 'node:child_process';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../../contract/digest.ts';

const run = promisify(execFile);

const HERE = import.meta.dirname;
const REQUIREMENTS = [join(HERE, 'requirements.txt'), join(HERE, 'requirements-wids.txt')] as const;

/** Python 3.11, with venv: Debian splits it off. */
const PROBE = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))';

/**
 * One line that says what to install before the Python readers can be tried; false when it is there. With CI set, what is
 * missing is an error instead: nothing skips there.
 */
export async function missingForReaders(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const found = await run('python3', ['-c', PROBE], { env }).catch(() => undefined);
  if (found) return false;
  const line =
    'reading a dataset with Python needs python3, 3.11 or newer, with venv (apt-get install python3 python3-venv)';
  if (env.CI) throw new Error(line);
  return line;
}

/**
 * The Python of a virtual environment with the readers: `${COHORTFARM_CACHE:-~/.cache/cohortfarm}/venv-readers-HASH`, HASH
 * being that of the requirements. The first call makes it (half a minute); one that was killed leaves nothing half made.
 */
export async function readersPython(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const cache = env.COHORTFARM_CACHE || join(homedir(), '.cache', 'cohortfarm');
  const { stdout: version } = await run('python3', ['--version'], { env });
  const hash = sha256(version, ...(await Promise.all(REQUIREMENTS.map((file) => readFile(file))))).slice(0, 16);
  const folder = join(cache, `venv-readers-${hash}`);
  const python = join(folder, 'bin', 'python');
  if (await exists(join(folder, 'complete'))) return python;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(cache, { recursive: true });
  try {
    await install(unfinished, env);
    // Whoever is first counts; a folder that another test run has put there meanwhile holds the same.
    await rename(unfinished, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return python;
}

async function install(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const [readers, wids] = REQUIREMENTS;
  const python = join(folder, 'bin', 'python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await run('python3', ['-m', 'venv', folder], { env });
  await run(python, [...pip, '-r', readers], { env });
  await run(python, [...pip, '--no-deps', '--target', join(folder, 'wids'), '-r', wids], { env });
  await writeFile(join(folder, 'complete'), '');
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Reads a published dataset with every reader. Resolves with what they said. */
export async function readDataset(python: string, dataset: string): Promise<string> {
  const script = join(HERE, 'read_dataset.py');
  const { stdout } = await run(python, [script, dataset], { maxBuffer: 16 * 2 ** 20 }).catch(
    (error: { stderr: string }) => {
      throw new Error(`the Python readers failed on ${dataset}:\n${error.stderr}`, { cause: error });
    },
  );
  return stdout;
}
