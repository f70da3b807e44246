import { REASONS, type ReasonName } from '../../contract/reasons.ts';
import { type FailedPod, failureOf, type JobView, type Observed } from '../observed.ts';

/** Why a Job makes no progress, in words for its owner. */

export interface Trouble {
  readonly reason: ReasonName;
  readonly message: string;
}

/** Pods are often pending for a moment without anything being wrong. */
const PENDING_MS = 10_000;
/** A failed pod is replaced after a pause that grows to minutes; a failure is reported for this long. */
const RECENT_MS = 600_000;

/** The trouble that keeps a running Job from progress; null when at least one of its pods works. */
export function troubleOf(observed: Observed, job: JobView): Trouble | null {
  if (job.suspended && job.queueName !== undefined) {
    const why = job.admission === undefined ? '' : `: ${job.admission}`;
    const message = `${job.kind} ${job.name} waits for Kueue to admit it (queue ${job.queueName})${why}`;
    return { reason: 'AwaitingAdmission', message };
  }
  const failed = recentFailure(observed, job);
  if (failed) return failed;
  const [waiting] = observed.pods.waiting.filter(
    (problem) => problem.job === job.name && observed.now - problem.since >= PENDING_MS,
  );
  if (!waiting || job.ready > 0) return null;
  if (waiting.pod === null) return { reason: waiting.reason, message: waiting.message };
  const others = waiting.pods > 1 ? ` (and ${waiting.pods - 1} more)` : '';
  return { reason: waiting.reason, message: `Pod ${waiting.pod}${others}: ${waiting.message}` };
}

/** A pod has failed, and nothing was got done since. */
function recentFailure({ pods, progress, now }: Observed, job: JobView): Trouble | null {
  const failed = failureOf(pods, job);
  if (!failed || now - failed.endedAt > RECENT_MS) return null;
  if (progress.lastWorkAt !== null && progress.lastWorkAt > failed.endedAt) return null;
  // A killed pod says nothing, and its replacement needs time to get something done.
  if (!failed.outcome && job.active > 0 && failed.containerReason !== 'OOMKilled' && job.failed < 3) return null;
  return troubleOfPod(failed);
}

/** The termination message of a failed pod, or what is known of one without. */
export function troubleOfPod({ pod, node, outcome, exitCode, containerReason }: FailedPod): Trouble {
  if (outcome && node !== null && NODE_FAULTS.includes(outcome.reason)) {
    return { reason: outcome.reason, message: `Node ${node}, pod ${pod}: ${outcome.message}` };
  }
  if (outcome) return { reason: outcome.reason, message: outcome.message };
  if (containerReason === 'OOMKilled') {
    return {
      reason: 'PodFailed',
      message: `Pod ${pod} was killed because it used more memory than its limit; raise spec.workers.resources.limits.memory`,
    };
  }
  const how = exitCode === null ? 'was removed' : `ended with exit code ${exitCode}`;
  return { reason: 'PodFailed', message: `Pod ${pod} ${how} without saying why; see kubectl logs ${pod}` };
}

/** Reasons that are a fault of the node, and of no other. */
const NODE_FAULTS: readonly ReasonName[] = ['ProviderUnavailable'];
/** A list in each pod; where more nodes are bad, no node is to blame. */
const MAX_NODES = 16;

/** Nodes on which pods of a Job failed for a fault of the node, the latest first. */
export function failedNodes({ failed }: Observed['pods'], job: JobView): string[] {
  const nodes = failed.flatMap(({ job: name, node, outcome }) =>
    name === job.name && node !== null && outcome && NODE_FAULTS.includes(outcome.reason) ? [node] : [],
  );
  const distinct = [...new Set(nodes)];
  return distinct.length > MAX_NODES ? [] : distinct;
}

/** Why a Job failed for good. */
export function failureOfJob(observed: Observed, job: JobView): Trouble {
  const failed = failureOf(observed.pods, job);
  if (failed) return troubleOfPod(failed);
  const detail = job.failure ? `: ${job.failure}` : '';
  const see = `kubectl describe ${job.kind.toLowerCase()} ${job.name}`;
  return { reason: 'PodFailed', message: `${job.kind} ${job.name} failed${detail}; see ${see}` };
}

export const mayRetry = ({ reason }: Trouble): boolean => REASONS[reason].retries;
