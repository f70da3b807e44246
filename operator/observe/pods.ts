import { z } from 'zod';
import { LABELS } from '../../contract/cluster.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import { parseOutcome } from '../../contract/schema/outcome.ts';
import { redact } from '../../platform/redact.ts';
import { CONTAINER } from '../desired/pod.ts';
import type { FailedPod, PodProblem, PodsView } from '../observed.ts';
import type { UnexplainedPod } from './events.ts';

/** Pods as the operator reads them: why they wait, how they exited. */

const time = z.string().optional();
const terminatedSchema = z.object({
  exitCode: z.int(),
  reason: z.string().optional(),
  message: z.string().optional(),
  finishedAt: time.nullish(),
});
const containerSchema = z.object({
  name: z.string(),
  state: z
    .object({
      waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
      terminated: terminatedSchema.optional(),
    })
    .default({}),
  lastState: z.object({ terminated: terminatedSchema.optional() }).default({}),
});

const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string().default(''),
    labels: z.record(z.string(), z.string()).default({}),
    creationTimestamp: time,
    deletionTimestamp: time,
  }),
  spec: z.object({ nodeName: z.string().optional() }).default({}),
  status: z
    .object({
      phase: z.string().default('Pending'),
      reason: z.string().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
            lastTransitionTime: time.nullish(),
          }),
        )
        .default([]),
      containerStatuses: z.array(containerSchema).default([]),
    })
    .prefault({}),
});
type Pod = z.infer<typeof podSchema>;

const JOB_NAME = 'batch.kubernetes.io/job-name';
/** No dataset has so many pods in trouble that more of them would say more. */
export const MAX_PODS = 200;
const MAX_MESSAGE = 400;

/** Pods on a node that do not start, for no reason that their status gives. */
export function unexplainedPods(objects: readonly unknown[]): UnexplainedPod[] {
  const pods = objects.map((object) => podSchema.parse(object)).filter((pod) => !waitingProblem(pod) && isHeldUp(pod));
  return pods.map((pod) => ({
    job: jobOf(pod),
    pod: pod.metadata.name,
    uid: pod.metadata.uid,
    since: Date.parse(pod.metadata.creationTimestamp ?? '') || 0,
  }));
}

/** On a node, and none of its containers has begun. */
function isHeldUp({ metadata, spec, status }: Pod): boolean {
  const { containerStatuses } = status;
  const hasBegun = containerStatuses.some(({ state, lastState }) => !state.waiting || lastState.terminated);
  return metadata.deletionTimestamp === undefined && status.phase === 'Pending' && !!spec.nodeName && !hasBegun;
}

/** Puts a dataset's pods, those that have not just run well, into the buckets that decide/ looks at. */
export function podsView(objects: readonly unknown[]): PodsView {
  const pods = objects.map((object) => podSchema.parse(object));
  const failed = pods.filter((pod) => pod.status.phase === 'Failed' || isCrashing(pod)).map(failedPod);
  return {
    waiting: grouped(pods.flatMap((pod) => waitingProblem(pod) ?? [])),
    failed: failed.sort((a, b) => b.endedAt - a.endedAt),
    succeeded: pods.flatMap((pod) => {
      const outcome = pod.status.phase === 'Succeeded' ? parseOutcome(terminatedOf(pod)?.message) : null;
      return outcome ? [{ job: jobOf(pod), outcome }] : [];
    }),
    present: pods.filter((pod) => !isOver(pod) && pod.metadata.labels[LABELS.role] !== 'cleanup').length,
  };
}

const isOver = ({ status }: Pod): boolean => status.phase === 'Failed' || status.phase === 'Succeeded';

const jobOf = ({ metadata }: Pod): string => metadata.labels[LABELS.jobSet] ?? metadata.labels[JOB_NAME] ?? '';

/** Whether a container failed and is to be started again, which runtimes of Kubeflow Trainer may ask for; our Jobs do not. */
const isCrashing = ({ status }: Pod): boolean =>
  status.containerStatuses.some(({ state }) => state.waiting?.reason === 'CrashLoopBackOff');

/** That of our container, else of the first that ended. */
function terminatedOf({ status }: Pod): z.infer<typeof terminatedSchema> | undefined {
  const ends = status.containerStatuses.map(({ name, state, lastState }) => ({
    name,
    end: state.terminated ?? (state.waiting ? lastState.terminated : undefined),
  }));
  return (ends.find(({ name, end }) => name === CONTAINER && end) ?? ends.find(({ end }) => end))?.end;
}

function failedPod(pod: Pod): FailedPod {
  const terminated = terminatedOf(pod);
  const ended = terminated?.finishedAt ?? pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp;
  return {
    job: jobOf(pod),
    pod: pod.metadata.name,
    node: pod.spec.nodeName ?? null,
    exitCode: terminated?.exitCode ?? null,
    outcome: parseOutcome(terminated?.message),
    containerReason: terminated?.reason ?? pod.status.reason ?? null,
    endedAt: ended ? Date.parse(ended) : 0,
  };
}

/** The reason why a pod does not run yet, if a person should know it. */
function waitingProblem(pod: Pod): PodProblem | null {
  if (pod.metadata.deletionTimestamp !== undefined) return lostProblem(pod);
  if (pod.status.phase !== 'Pending') return null;
  const scheduled = pod.status.conditions.find(({ type }) => type === 'PodScheduled');
  const since = Date.parse(pod.metadata.creationTimestamp ?? '') || 0;
  const problem = (reason: ReasonName, message: string): PodProblem => {
    const clean = redact(message).slice(0, MAX_MESSAGE);
    return { job: jobOf(pod), pod: pod.metadata.name, reason, message: clean, pods: 1, since };
  };
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    const asks = 'add nodes that fit, or correct spec.workers (gpus, resources, nodeSelector, tolerations)';
    return problem('Unschedulable', `no node can take it: ${scheduled.message ?? 'no reason is given'}; ${asks}`);
  }
  for (const { state } of pod.status.containerStatuses) {
    const known = state.waiting && waitingReason(state.waiting.reason ?? '', state.waiting.message ?? '');
    if (known) return problem(...known);
  }
  return null;
}

/** Time that a node which is only slow may take to stop a pod. */
const SLOW_NODE_MS = 20_000;

/**
 * A pod that is asked to stop and does not, because its node does not get the request. The cluster itself leaves it at that: under
 * a podFailurePolicy a pod is replaced when it has ended, and that only its node can say.
 */
function lostProblem(pod: Pod): PodProblem | null {
  const { phase, conditions } = pod.status;
  if (phase !== 'Running' && phase !== 'Pending') return null;
  const { name, deletionTimestamp } = pod.metadata;
  const evicted = conditions.find(
    ({ type, reason }) => type === 'DisruptionTarget' && reason === 'DeletionByTaintManager',
  );
  const isSilent = conditions.some(({ type, status }) => type === 'Ready' && status !== 'True');
  // Evicted from a node that is not ready: no grace period has to be waited for. Else the deletion is due by its timestamp.
  const due = evicted && isSilent ? evicted.lastTransitionTime : deletionTimestamp;
  const node = pod.spec.nodeName ?? '';
  const message = `it is to end, and its node ${node} does not say that it has; if that node is lost, remove it: kubectl delete node ${node}`;
  const since = (Date.parse(due ?? '') || 0) + SLOW_NODE_MS;
  return { job: jobOf(pod), pod: name, reason: 'NodeLost', message, pods: 1, since };
}

/** The kubelet's reasons, as far as a person has to do something about them. */
function waitingReason(reason: string, message: string): [ReasonName, string] | null {
  if (
    /^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable|ImageInspectError)$/.test(
      reason,
    )
  ) {
    return [
      'ImagePullFailed',
      `its image cannot be pulled (${reason}): ${message}; correct spec.workers.image or the pull secret`,
    ];
  }
  if (reason === 'CreateContainerConfigError') {
    if (/secret/i.test(message)) {
      return [
        'CredentialsMissing',
        `${message}; create the Secret that spec.output.s3.credentialsSecretRef names, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
      ];
    }
    return ['ConfigMissing', message];
  }
  if (/^(CreateContainerError|RunContainerError|StartError)$/.test(reason)) {
    return ['PodFailed', `its container cannot be started (${reason}): ${message}`];
  }
  return null;
}

/** One problem for each Job and reason, the most frequent first, dated by the oldest pod. */
function grouped(problems: readonly PodProblem[]): PodProblem[] {
  const groups = Map.groupBy(problems, ({ job, reason }) => `${job} ${reason}`);
  return [...groups.values()]
    .map((group) => {
      const oldest = group.reduce((a, b) => (b.since < a.since ? b : a));
      return { ...oldest, pods: group.length };
    })
    .sort((a, b) => b.pods - a.pods);
}
