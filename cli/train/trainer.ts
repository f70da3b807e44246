import { fileURLToPath } from 'node:url';
import type { Environment } from './venv.ts';

/** The trainer as it lies in this tree. */

/** Folder of the Python package, for PYTHONPATH. */
export const TRAINER = fileURLToPath(new URL('../../trainer', import.meta.url));

/** PyTorch and all else that the trainer imports: about 5 GB. */
export const TRAINER_ENVIRONMENT: Environment = {
  name: 'trainer',
  requirements: [fileURLToPath(new URL('../../trainer/requirements.txt', import.meta.url))],
};
