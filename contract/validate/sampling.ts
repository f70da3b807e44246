import { issueAt } from '../schema/issue.ts';
import type { Validation } from './rule.ts';

/** `spec.model.sampling`: the fields that belong together. */

const interval: Validation = {
  check: ({ model }) => {
    const { start, stop } = model?.sampling?.guidanceInterval ?? {};
    if (typeof start !== 'number' || typeof stop !== 'number' || start < stop) return [];
    const message = `starts at ${start} and stops at ${stop}; stop must be larger`;
    return [issueAt(['spec', 'model', 'sampling', 'guidanceInterval'], message)];
  },
  cel: {
    'model.sampling.guidanceInterval': [{ rule: 'self.start < self.stop', message: 'stop must be larger than start' }],
  },
};

export const SAMPLING_VALIDATIONS: readonly Validation[] = [interval];
