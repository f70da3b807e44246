import { installedProgram } from '../../platform/files.ts';
import { askProgram } from '../subprocess.ts';
import type { Trial, TrialRequest } from './trial.ts';

/** Tries a model in a process of its own. @throws Failure; a process that was killed mostly ran out of memory */
export const runTrial = (request: TrialRequest): Promise<Trial> =>
  askProgram(
    installedProgram('cli/model/trial-program.ts'),
    request,
    `the trial of ${request.model}`,
    'lower --batch-size, or use a machine with more',
  );
