import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../../contract/digest.ts';
import { UsageError } from '../../contract/failure.ts';
import { installedFile } from '../../platform/files.ts';
import { cacheDir } from '../load.ts';

/** Python virtual environments in the cache, made on first use, once for each set of requirements. */

const run = promisify(execFile);

/** Python 3.11, with venv: Debian splits it off. */
const PROBE = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))';

/** The missing prerequisite of an environment; null when it is all there. */
export async function pythonProblem(env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const found = await run('python3', ['-c', PROBE], { env }).catch(() => null);
  return found ? null : 'python3, 3.11 or newer, with venv (apt-get install python3 python3-venv)';
}

/** Arguments of one `pip install`, given the folder of the environment. */
export type PipInstall = (folder: string) => readonly string[];

export interface Environment {
  readonly name: string;
  /** Files that decide what is installed: another content is another environment. */
  readonly requirements: readonly string[];
  /** Default: `-r` for each of the requirements. */
  readonly installs?: readonly PipInstall[];
  /** Another environment whose packages, and those of its own base, are seen here, too: large ones are installed once. */
  readonly base?: Environment;
}

/** Folder of the Python package, for PYTHONPATH. */
export const TRAINER = installedFile('trainer');

/** PyTorch and all else that the trainer imports: about 5 GB. */
export const TRAINER_ENVIRONMENT: Environment = {
  name: 'trainer',
  requirements: [installedFile('trainer/requirements.txt')],
};

/**
 * The Python of an environment: `CACHE/venv-NAME-HASH/bin/python`, HASH being that of the requirements. The first call makes
 * it, and others wait for that; one that was killed leaves nothing half made.
 */
export async function virtualPython(environment: Environment): Promise<string> {
  const folder = await folderOf(environment);
  const python = join(folder, 'bin', 'python');
  if (await isComplete(folder)) return python;
  const bases = await basesOf(environment);
  await mkdir(cacheDir(), { recursive: true });
  await holdingLock(`${folder}.lock`, async () => {
    if (!(await isComplete(folder))) await make(folder, environment, bases);
  });
  return python;
}

const isComplete = (folder: string): Promise<boolean> =>
  access(join(folder, 'complete')).then(
    () => true,
    () => false,
  );

/** The site-packages of the environments below one, which are made on the way. */
async function basesOf({ base }: Environment): Promise<string[]> {
  return base ? [await sitePackages(await virtualPython(base)), ...(await basesOf(base))] : [];
}

/** @param bases site-packages of the environments below */
async function make(folder: string, environment: Environment, bases: readonly string[]): Promise<void> {
  const { name, requirements } = environment;
  const installs = environment.installs ?? [() => requirements.flatMap((file) => ['-r', file])];
  const unfinished = `${folder}.unfinished`;
  try {
    await rm(unfinished, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', unfinished]);
    const own = join(unfinished, 'bin', 'python');
    if (bases.length > 0)
      await writeFile(join(await sitePackages(own), `base-of-${name}.pth`), bases.map((path) => `${path}\n`).join(''));
    for (const install of installs) {
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...install(unfinished)];
      await run(own, pip, { maxBuffer: 64 * 2 ** 20 });
    }
    await writeFile(join(unfinished, 'complete'), '');
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Takes a lock and says so; it goes with this process, whose end closes the pipe. */
const LOCK = `
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
`;

/** Does something while no other process does it under the same lock: others wait, and find it done. */
async function holdingLock(path: string, action: () => Promise<void>): Promise<void> {
  const holder = spawn('python3', ['-c', LOCK, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [held] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'close')]);
    if (!String(held).includes('locked')) throw new Error(`cannot lock ${path}`);
    await action();
  } finally {
    holder.stdin.end();
  }
}

async function folderOf({ name, requirements, base }: Environment): Promise<string> {
  const { stdout: version } = await run('python3', ['--version']);
  const below = base ? await folderOf(base) : '';
  const contents = await Promise.all(requirements.map((file) => readFile(file)));
  return join(cacheDir(), `venv-${name}-${sha256(version, below, ...contents).slice(0, 16)}`);
}

async function sitePackages(python: string): Promise<string> {
  const { stdout } = await run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  return stdout.trim();
}

/** The option of the commands that run the trainer. */
export const PYTHON_OPTION = [
  '--python <path>',
  "a Python with the trainer's requirements; default: a virtual environment in the cache",
] as const;

/** The Python that runs the trainer. @throws UsageError where there is none to make it with */
export async function trainerPython(): Promise<string> {
  const problem = await pythonProblem();
  if (problem) throw new UsageError(`training needs ${problem}; or name a Python with --python`);
  process.stderr.write(
    'The trainer runs in a virtual environment in the cache; PyTorch takes about 5 GB at first use.\n',
  );
  return virtualPython(TRAINER_ENVIRONMENT);
}
