import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TRAINER } from '../../cli/train/venv.ts';
import { ENV } from '../../contract/cluster.ts';
import { type Outcome, parseOutcome } from '../../contract/schema/outcome.ts';
import type { StageConfigInput } from '../../contract/schema/stage.ts';
import { trainerPython } from './python.ts';

/** Running the trainer as a container would, by the contract of docs/training.md. */

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  readonly outcome: Outcome | null;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** The networks of tests are too small for more. */
const ONE_THREAD = { OMP_NUM_THREADS: '1' };

/** Starts a command; the kernel ends it when this process ends. @param wrapper a command that starts it */
export async function startTrainer(
  config: StageConfigInput,
  env: NodeJS.ProcessEnv = {},
  wrapper: readonly string[] = [],
): Promise<Running> {
  const python = await trainerPython();
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-trainer-'));
  const [file, outcomeFile] = [join(folder, 'config.json'), join(folder, 'outcome.json')];
  await writeFile(file, JSON.stringify(config));
  const command = [python, '-m', 'cohortfarm_trainer', config.type.toLowerCase(), '--config', file];
  const args = ['--pdeathsig', 'KILL', ...wrapper, ...command];
  const child = spawn('setpriv', args, {
    env: {
      ...process.env,
      PYTHONPATH: TRAINER,
      PYTHONDONTWRITEBYTECODE: '1',
      [ENV.outcomeFile]: outcomeFile,
      ...ONE_THREAD,
      ...env,
    },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', async (code, signal) => {
      const outcome = parseOutcome(await readFile(outcomeFile, 'utf8').catch(() => undefined));
      await rm(folder, { recursive: true, force: true });
      resolve({ code, signal, stderr, outcome });
    });
  });
  return { process: child, ended };
}

/** Runs a command to its end. */
export async function runTrainer(config: StageConfigInput, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return (await startTrainer(config, env)).ended;
}
