import { describeError, reasonOf } from '../../contract/failure.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import { MAX_OUTCOME_BYTES, MAX_OUTCOME_MESSAGE, type Outcome } from '../../contract/schema/outcome.ts';
import { redact } from '../../platform/redact.ts';

/** The termination message of a pod: what it did, or why it failed. */

const API_VERSION = 'cohortfarm.dev/outcome/v1';

export function outcomeOf(error: unknown): Outcome {
  // The stack of an unforeseen error is in the log only.
  const message = error instanceof Error ? error.message : describeError(error);
  return outcome(reasonOf(error), message);
}

/** An outcome without secrets that fits into a termination message. */
export function outcome(reason: ReasonName, message: string, rest: Pick<Outcome, 'published'> = {}): Outcome {
  let text = redact(message).toWellFormed().slice(0, MAX_OUTCOME_MESSAGE).toWellFormed();
  const whole = (): Outcome => ({ apiVersion: API_VERSION, reason, message: text, ...rest });
  while (Buffer.byteLength(JSON.stringify(whole())) > MAX_OUTCOME_BYTES) {
    text = text.slice(0, Math.floor(text.length * 0.9)).toWellFormed();
  }
  return whole();
}
