import { execFile } from 'node:child_process';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../../contract/digest.ts';
import { cacheDir } from '../load.ts';

/** Python virtual environments in the cache, made on first use, once for each set of requirements. */

const run = promisify(execFile);

/** Python 3.11, with venv: Debian splits it off. */
const PROBE = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))';

/** What is missing to make an environment; null when it is all there. */
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
  /** Another environment whose packages are seen here, too, so that large ones are installed once. */
  readonly base?: Environment;
}

/**
 * The Python of an environment: `CACHE/venv-NAME-HASH/bin/python`, HASH being that of the requirements. The first call makes
 * it; one that was killed leaves nothing half made.
 */
export async function virtualPython(environment: Environment): Promise<string> {
  const { name, requirements } = environment;
  const installs = environment.installs ?? [() => requirements.flatMap((file) => ['-r', file])];
  const folder = await folderOf(environment);
  const python = join(folder, 'bin', 'python');
  const complete = await access(join(folder, 'complete')).then(
    () => true,
    () => false,
  );
  if (complete) return python;
  const base = environment.base && (await sitePackages(await virtualPython(environment.base)));
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(cacheDir(), { recursive: true });
  try {
    await run('python3', ['-m', 'venv', unfinished]);
    const own = join(unfinished, 'bin', 'python');
    if (base) await writeFile(join(await sitePackages(own), `base-of-${name}.pth`), `${base}\n`);
    for (const install of installs) {
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...install(unfinished)];
      await run(own, pip, { maxBuffer: 64 * 2 ** 20 });
    }
    await writeFile(join(unfinished, 'complete'), '');
    // Whoever is first counts; a folder that another process has put there meanwhile holds the same.
    await rename(unfinished, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return python;
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
