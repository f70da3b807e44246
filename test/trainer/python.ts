import { join } from 'node:path';
import { TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';

/** The Python of an environment with the trainer's requirements and what its tests need. */
export const trainerPython = (): Promise<string> =>
  virtualPython({
    name: 'trainer-test',
    requirements: [join(TRAINER, 'requirements-test.txt')],
    base: TRAINER_ENVIRONMENT,
  });
