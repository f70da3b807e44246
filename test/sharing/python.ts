import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { virtualPython } from '../../cli/train/venv.ts';

const run = promisify(execFile);

const HERE = import.meta.dirname;

/** Runs a Python program of this folder among the libraries that know DSSE, in-toto and DICOM; resolves with its output. */
export async function runPython(program: string, args: readonly string[]): Promise<string> {
  const python = await virtualPython({ name: 'sharing', requirements: [join(HERE, 'requirements.txt')] });
  const { stdout } = await run(python, [join(HERE, program), ...args], { maxBuffer: 16 * 2 ** 20 });
  return stdout;
}
