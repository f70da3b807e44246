import { join } from 'node:path';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';

/** A Python with diffusers. */
export const diffusersPython = (): Promise<string> =>
  virtualPython({
    name: 'diffusers',
    requirements: [join(import.meta.dirname, 'requirements.txt')],
    base: TRAINER_ENVIRONMENT,
  });
