import { ExhaustedError, StoppedError, TerminalError } from '../../contract/errors.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import { SpecError } from '../../contract/schema/issue.ts';
import { MAX_OUTCOME_BYTES, MAX_OUTCOME_MESSAGE, type Outcome } from '../../contract/schema/outcome.ts';
import { DatasetError } from '../../dataset/publish/records.ts';
import { ProviderUnavailableError } from '../../diffusion/onnx.ts';
import { describeError } from '../../platform/exit.ts';
import { QueueError } from '../../platform/queue/errors.ts';
import { redact } from '../../platform/redact.ts';
import { StoreError } from '../../platform/store/store.ts';
import { SettingsError } from './settings.ts';

/** How a pod says in its termination message what it did, or why it failed. */

const API_VERSION = 'cohortfarm.dev/outcome/v1';

/** The reason of the condition that a failure leads to. */
export function reasonOf(error: unknown): ReasonName {
  if (error instanceof StoreError || error instanceof SpecError || error instanceof QueueError) return error.reason;
  if (error instanceof SettingsError) return 'ConfigMissing';
  if (error instanceof ExhaustedError) return 'SamplesExhausted';
  if (error instanceof StoppedError) return 'Retrying';
  if (error instanceof ProviderUnavailableError) return 'ProviderUnavailable';
  if (error instanceof DatasetError) return 'DatasetDamaged';
  // What is left of these has to do with the files of models and gates.
  if (error instanceof TerminalError) return 'ModelInvalid';
  return 'PodFailed';
}

export function outcomeOf(error: unknown): Outcome {
  // The stack of what nobody foresaw is in the log.
  const message = error instanceof Error && reasonOf(error) === 'PodFailed' ? error.message : describeError(error);
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
