import { join } from 'node:path';
import { type Environment, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';

/** diffusers and transformers, on the PyTorch of the trainer. */
export const DIFFUSERS_ENVIRONMENT: Environment = {
  name: 'diffusers',
  requirements: [join(import.meta.dirname, 'requirements.txt')],
  base: TRAINER_ENVIRONMENT,
};

/** A Python with diffusers. */
export const diffusersPython = (): Promise<string> => virtualPython(DIFFUSERS_ENVIRONMENT);
