import { LABELS, type Role, SECTIONS } from '../contract/cluster.ts';
import { Failure } from '../contract/failure.ts';
import { isKubeError, type KubeError } from '../kube/errors.ts';
import type { Action, Decision, Report, StepStatus } from './decide/decision.ts';
import { currentStep } from './decide/steps.ts';
import type { Observed } from './observed.ts';

/** An action that failed, and how the dataset's conditions report it. */
export interface Setback {
  readonly error: unknown;
  /** Null for what is not worth a condition: another writer was faster, or a mistake of this program. */
  readonly stepStatus: StepStatus | null;
  /** The API server has judged the object itself: the same again is refused again. */
  readonly isRefusal: boolean;
}

/** A server that restarts is back within this time; a dataset without any status is not left without one for so long. */
const GRACE_MS = 10_000;
/** A refusal that has lasted for so long needs a person. */
const PERSISTS_MS = 60_000;

/** @param failingMs how long the dataset's actions have failed */
export function setbackOf(
  error: unknown,
  { action, decision, observed, failingMs }: SetbackContext & { readonly failingMs: number },
): Setback {
  const isRefusal =
    action.type === 'apply' && decision.stepStatus !== null && isKubeError(error, 'invalid', 'forbidden', 'noSuchKind');
  // A finished dataset stays so, whatever is left to tidy up.
  if (decision.stepStatus?.at === 'done') return { error, isRefusal: false, stepStatus: decision.stepStatus };
  const at = decision.stepStatus?.at ?? currentStep(observed)?.condition ?? 'Trained';
  const isDue = isRefusal || observed.status.conditions === undefined || failingMs >= GRACE_MS;
  const report = isDue ? reportOf(error, action, failingMs) : null;
  return { error, isRefusal, stepStatus: report && { at, ...report } };
}

export interface SetbackContext {
  readonly action: Action;
  readonly decision: Decision;
  readonly observed: Observed;
}

function reportOf(error: unknown, action: Action, failingMs: number): Report | null {
  if (error instanceof Failure) return { reason: error.reason, message: error.message };
  if (!isKubeError(error) || error.kind === 'conflict') return null;
  if (action.type === 'apply' && isKubeError(error, 'invalid', 'forbidden', 'noSuchKind')) {
    return { reason: 'CreateRefused', message: refusalMessage(action, error) };
  }
  const reason = failingMs >= PERSISTS_MS ? 'ClusterUnavailable' : 'Retrying';
  return { reason, message: `The API server refuses a request, which is sent again: ${error.message}` };
}

function refusalMessage({ object }: Extract<Action, { type: 'apply' }>, error: KubeError): string {
  const { kind, metadata } = object;
  if (error.kind === 'noSuchKind') {
    return `${kind} ${metadata.name} cannot be made: the API server knows no ${kind}; install Kubeflow Trainer, or remove runtimeRef from spec.training.stages`;
  }
  if (error.reason === 'AnotherOwner') return error.message;
  if (kind === 'ConfigMap' && /too l(ong|arge)/i.test(error.message)) {
    return `The spec is too large for a ConfigMap, from which pods read it (1 MiB): move its phrases to a CSV file (spec.prompt.impressionsFrom), or its cells (spec.quota.allocation.table): ${error.message}`;
  }
  const place = SECTIONS[metadata.labels?.[LABELS.role] as Role] ?? 'spec.workers';
  return `${kind} ${metadata.name} is not accepted by the API server: ${error.message}; correct ${place}, or what refuses it`;
}
