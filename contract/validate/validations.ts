import { ALLOCATION_VALIDATIONS } from './allocation.ts';
import { PAIRS_VALIDATIONS } from './pairs.ts';
import { PROMPT_VALIDATIONS } from './prompt.ts';
import { QUALITY_VALIDATIONS } from './quality.ts';
import { QUOTA_VALIDATIONS } from './quota.ts';
import type { Validation } from './rule.ts';
import { SAMPLING_VALIDATIONS } from './sampling.ts';
import { TRAINING_VALIDATIONS } from './training.ts';

/** Every rule about how the fields and sections of a spec belong together, in the order of its sections. */
export const VALIDATIONS: readonly Validation[] = [
  ...QUOTA_VALIDATIONS,
  ...ALLOCATION_VALIDATIONS,
  ...PAIRS_VALIDATIONS,
  ...PROMPT_VALIDATIONS,
  ...SAMPLING_VALIDATIONS,
  ...QUALITY_VALIDATIONS,
  ...TRAINING_VALIDATIONS,
];
