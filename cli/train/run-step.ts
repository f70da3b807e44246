import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENV } from '../../contract/cluster.ts';
import { type Outcome, parseOutcome } from '../../contract/schema/outcome.ts';
import type { TrainingStep } from '../../contract/training/steps.ts';
import { runPython } from '../python.ts';
import { TRAINER } from './venv.ts';

/** One step of the training as a process on this machine, started as a container would be (docs/training.md). */

export interface StepResult {
  /** 128 and the number of the signal, when one ended it. */
  readonly code: number;
  /** Its termination message; null when it left none. */
  readonly outcome: Outcome | null;
}

/** Runs a step to its end; signals of this process are forwarded to it. */
export async function runStep(step: TrainingStep, python: string): Promise<StepResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-stage-'));
  const [config, outcomeFile] = [join(folder, 'config.json'), join(folder, 'outcome.json')];
  try {
    await writeFile(config, JSON.stringify(step.config, null, 1));
    const code = await runPython(python, ['-m', 'cohortfarm_trainer', step.command, '--config', config], {
      PYTHONPATH: TRAINER,
      [ENV.outcomeFile]: outcomeFile,
      PET_NPROC_PER_NODE: String(step.stage?.processesPerNode ?? 1),
    });
    return { code, outcome: parseOutcome(await readFile(outcomeFile, 'utf8').catch(() => undefined)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
