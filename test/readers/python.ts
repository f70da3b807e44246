import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { virtualPython } from '../../cli/train/venv.ts';

const run = promisify(execFile);

const HERE = import.meta.dirname;
const REQUIREMENTS = [join(HERE, 'requirements.txt'), join(HERE, 'requirements-wids.txt')] as const;

/** The Python of a virtual environment with the readers; wids left webdataset in 1.0, so an older one lies beside it. */
export const readersPython = (): Promise<string> =>
  virtualPython({
    name: 'readers',
    requirements: REQUIREMENTS,
    installs: [
      () => ['-r', REQUIREMENTS[0]],
      (folder) => ['--no-deps', '--target', join(folder, 'wids'), '-r', REQUIREMENTS[1]],
    ],
  });

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
