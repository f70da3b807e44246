import { stat } from 'node:fs/promises';
import { Failure, UsageError } from '../../contract/failure.ts';
import { installedFile } from '../../platform/files.ts';
import { runPython } from '../python.ts';
import { type Environment, pythonProblem, TRAINER_ENVIRONMENT, virtualPython } from '../train/venv.ts';

/** The Python program that exports and optimises models (`exporter/`), in an environment of its own. */

const EXPORTER = installedFile('exporter');

/** optimum, diffusers and ONNX Runtime beside PyTorch: about 1 GB more. */
export const EXPORTER_ENVIRONMENT: Environment = {
  name: 'exporter',
  requirements: [installedFile('exporter/requirements.txt')],
  base: TRAINER_ENVIRONMENT,
};

/** @throws UsageError when something is there already */
export async function assertFree(output: string): Promise<void> {
  if (await stat(output).catch(() => null)) {
    throw new UsageError(`--output: ${output} exists; nothing was changed: remove it, or name another folder`);
  }
}

/** @param named by the user; else an environment in the cache, made on first use */
export async function exporterPython(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const problem = await pythonProblem();
  if (problem) throw new UsageError(`this command needs ${problem}; or name a Python with --python`);
  process.stderr.write(
    'The exporter runs in a virtual environment in the cache; with PyTorch it takes about 8 GB at first use.\n',
  );
  try {
    return await virtualPython(EXPORTER_ENVIRONMENT);
  } catch (cause) {
    const lines = String((cause as { stderr?: unknown }).stderr ?? (cause as Error).message)
      .trim()
      .split('\n');
    throw new Failure(
      'ConfigMissing',
      `the packages of exporter/requirements.txt cannot be installed (${lines.at(-1)}); check the network and the disk, ` +
        'or set PIP_INDEX_URL to a mirror',
      { cause, retryable: true },
    );
  }
}

const QUIET = { PYTHONWARNINGS: 'ignore', TRANSFORMERS_VERBOSITY: 'error', DIFFUSERS_VERBOSITY: 'error' };

/** Runs a command of the exporter, which prints what went wrong. @returns its exit code */
export async function runExporter(python: string, args: readonly string[]): Promise<number> {
  const bars = args.some((arg) => arg.startsWith('hf:')) ? {} : { TQDM_DISABLE: '1' };
  const env = { ...QUIET, ...bars, PYTHONPATH: EXPORTER };
  try {
    return await runPython(python, ['-m', 'cohortfarm_exporter', ...args], env);
  } catch (cause) {
    throw new UsageError(
      `--python: ${python} cannot be started (${(cause as NodeJS.ErrnoException).code}); name a Python 3.11 or newer`,
      { cause },
    );
  }
}
