import type { Observed } from '../observed.ts';
import type { Decision, Guard, Settings } from './decision.ts';
import { deleted } from './deleting.ts';
import { finish } from './finish.ts';
import { invalid, queueUnknown } from './guards.ts';
import { currentStep } from './steps.ts';
import { suspended } from './suspended.ts';

/** Guards that keep every step from being taken. The first that applies decides. */
const GUARDS: readonly Guard[] = [deleted, invalid, queueUnknown, suspended];

/**
 * Decides what is to be done for a dataset, from all that is known of it: what a guard says, else what advances the first
 * step that is not done, else what is left to do at the end. Pure: the same observation leads to the same decision, and a
 * decision that was carried out in part, or twice, leads to the same result.
 */
export function decide(observed: Observed, settings: Settings): Decision {
  for (const guard of GUARDS) {
    const decision = guard(observed, settings);
    if (decision) return decision;
  }
  const step = currentStep(observed);
  if (!step) return finish(observed);
  const decision = step.advance(observed, settings);
  return { ...decision, stepStatus: { at: step.condition, ...decision.stepStatus } };
}
