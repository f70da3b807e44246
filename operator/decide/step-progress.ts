import type { StepProgress } from '../../contract/schema/status.ts';
import type { Observed } from '../observed.ts';
import { ofAll } from './predicates.ts';

/** The progress of the publish pod and of training stages, by their own reports. */

/** @param stage none for the publish pod. @returns undefined where it does not report */
export function progressOf({ progress }: Observed, stage?: string): StepProgress | undefined {
  const event = progress.steps.find((step) => step.stage === stage);
  if (!event || event.all === 0) return undefined;
  const { done, all, secondsLeft } = event;
  return {
    done: Math.min(done, all),
    all,
    ...(secondsLeft !== undefined && { secondsLeft: Math.ceil(secondsLeft) }),
  };
}

/** `1,200 of 4,000`, with the time that is left: ` 1,200 of 4,000, 12 min left`. */
export function inWords({ done, all, secondsLeft }: StepProgress): string {
  if (secondsLeft === undefined) return ofAll(done, all);
  const left = secondsLeft < 120 ? `${secondsLeft} s` : `${Math.round(secondsLeft / 60)} min`;
  return `${ofAll(done, all)}, ${left} left`;
}
