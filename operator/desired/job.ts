import { ANNOTATIONS, jobName, LABELS, type Role } from '../../contract/cluster.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { EXIT } from '../../contract/names.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Owner } from '../observed.ts';
import { avoidNodes } from './avoid-nodes.ts';
import { buildConfigMap } from './config-map.ts';
import { ownerReference, ownLabels } from './owner.ts';
import { buildPodTemplate, decisiveSettings, type PodSettings, type Template } from './pod.ts';
import type { TrainerApi } from './trainer-api.ts';

/** The Jobs of a dataset, whole. */

/** A Job to have, with what it needs beside it. */
export interface DesiredJob {
  readonly name: string;
  readonly templateDigest: string;
  /** Empty for none. */
  readonly queue: string;
  /** Digest of the whole template. A Job of another one can be left alone, but not be applied: its template is immutable. */
  readonly renderedDigest: string;
  readonly job: KubeObject;
  /** Applied before the Job. */
  readonly needs: readonly KubeObject[];
}

export interface StepContext {
  readonly owner: Owner;
  readonly dataset: SyntheticDataset;
  readonly settings: PodSettings;
  /** For TrainJobs: how the installed version has them written. */
  readonly trainerApi?: TrainerApi;
  /** For a cleanup: the plan whose objects are to go. */
  readonly planDigest?: string;
}

/** Failures of one index, or of a single pod, before it counts as failed. */
export const BACKOFF_LIMIT = 6;

const onExit = (action: 'FailJob' | 'FailIndex', ...values: number[]) => ({
  action,
  onExitCodes: { operator: 'In', values: values.sort((a, b) => a - b) },
});
const IGNORE_DISRUPTION = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] };

/** The Job controller's reaction to the exit of a pod; see "Steps and rounds" in docs/farm.md. */
export const POD_FAILURE_POLICY = {
  rules: [IGNORE_DISRUPTION, onExit('FailJob', EXIT.usage, EXIT.shortfall, EXIT.never)],
};

/**
 * The same for pods that work together: what ends one ends all, by whatever it was ended. A replacement would come alone to those
 * that are in the middle of a step.
 */
export const GANG_FAILURE_POLICY = {
  rules: [
    { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    ...POD_FAILURE_POLICY.rules.filter((rule) => rule !== IGNORE_DISRUPTION),
  ],
};

/** The same for workers, of whom one may fail for what is wrong with its node alone. */
const WORKERS_FAILURE_POLICY = {
  rules: [IGNORE_DISRUPTION, onExit('FailJob', EXIT.usage, EXIT.shortfall), onExit('FailIndex', EXIT.never)],
};

/** Workers that may fail for good before the round ends: more of them say that it is not the fault of a node. */
const maxFailedIndexes = (replicas: number): number => Math.ceil(replicas / 10);

/** The Indexed Job of the workers: as many indexes as pods, so that it can be scaled while it runs. */
export function buildWorkers(context: StepContext, { round, replicas, ...wanted }: WorkersWanted): DesiredJob {
  const { suspend = false, avoidedNodes = [] } = wanted;
  const desired = buildJob(context, 'workers', round, {
    completionMode: 'Indexed',
    completions: replicas,
    parallelism: replicas,
    backoffLimitPerIndex: BACKOFF_LIMIT,
    // Never more than the indexes of a Job that Kueue admits with fewer, which the API server would refuse.
    maxFailedIndexes: maxFailedIndexes(leastWorkers(context.dataset.spec.workers, replicas) ?? replicas),
    podFailurePolicy: WORKERS_FAILURE_POLICY,
    ...suspension(context, suspend),
  });
  const asked = annotated(desired.job, sizeAnnotations(context.dataset, replicas));
  return { ...desired, job: avoidedNodes.length === 0 ? asked : avoiding(asked, avoidedNodes) };
}

/** Workers asked for; where Kueue may admit fewer, how few, which it takes only if that is fewer. */
function sizeAnnotations({ spec }: SyntheticDataset, replicas: number): Readonly<Record<string, string>> {
  const least = leastWorkers(spec.workers, replicas);
  return {
    [ANNOTATIONS.replicas]: String(replicas),
    ...(least !== undefined && {
      [ANNOTATIONS.minParallelism]: String(least),
      [ANNOTATIONS.equalCompletions]: 'true',
    }),
  };
}

/** As few workers as Kueue may admit of so many; undefined where it must be all. */
export const leastWorkers = (
  { queueName, minReplicas }: SyntheticDataset['spec']['workers'],
  replicas: number,
): number | undefined =>
  queueName !== undefined && minReplicas !== undefined && minReplicas < replicas ? minReplicas : undefined;

const annotated = (job: KubeObject, annotations: Readonly<Record<string, string>>): KubeObject => ({
  ...job,
  metadata: { ...job.metadata, annotations: { ...job.metadata.annotations, ...annotations } },
});

export interface WorkersWanted {
  readonly round: number;
  readonly replicas: number;
  readonly suspend?: boolean;
  /** Nodes to keep away from. They are of this round alone, so that the template's digest does not know them. */
  readonly avoidedNodes?: readonly string[];
}

function avoiding(job: KubeObject, nodes: readonly string[]): KubeObject {
  const spec = job.spec as { readonly template: Template };
  const template = avoidNodes(spec.template, nodes);
  return annotated({ ...job, spec: { ...spec, template } }, { [ANNOTATIONS.avoided]: nodes.join(',') });
}

/** A Job of one pod. */
export function buildSingle(context: StepContext, role: 'publish' | 'cleanup', round: number): DesiredJob {
  return buildJob(context, role, round, {
    completions: 1,
    parallelism: 1,
    backoffLimit: BACKOFF_LIMIT,
    ...suspension(context, false),
  });
}

/** The `suspend` field, which is Kueue's where Kueue admits Jobs. */
function suspension({ dataset }: StepContext, suspend: boolean): { suspend?: boolean } {
  return dataset.spec.workers.queueName === undefined ? { suspend } : {};
}

/** Digest of a pod template or another part of a Job that cannot be changed while it runs. */
export const digestOfTemplate = (template: object): string => sha256(canonicalJson(template)).slice(0, 16);

/** Annotations that the operator reads back from its Jobs. */
export const jobAnnotations = (
  of: { round: number } & Pick<DesiredJob, 'templateDigest' | 'renderedDigest' | 'queue'>,
) => ({
  [ANNOTATIONS.round]: String(of.round),
  [ANNOTATIONS.template]: of.templateDigest,
  [ANNOTATIONS.queue]: of.queue,
  [ANNOTATIONS.rendered]: of.renderedDigest,
});

function buildJob(
  context: StepContext,
  role: Exclude<Role, 'train'>,
  round: number,
  fields: Readonly<Record<string, unknown>>,
): DesiredJob {
  const { owner, dataset } = context;
  const configMap = buildConfigMap(owner, dataset, role);
  const wanted = { ...context, role, configMap: configMap.metadata.name };
  const template = buildPodTemplate(wanted);
  const { queueName, updatePolicy } = dataset.spec.workers;
  const { workerImage, cudaImage } = context.settings;
  const images = { workerImage, ...(cudaImage !== undefined && { cudaImage }) };
  const settings = decisiveSettings(context.settings, updatePolicy === 'Immediate' ? images : {});
  const templateDigest = digestOfTemplate(buildPodTemplate({ ...wanted, settings }));
  const renderedDigest = digestOfTemplate(template);
  const name = jobName(owner.name, role, round);
  const queue = queueName ?? '';
  const job: KubeObject = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: owner.namespace,
      labels: {
        ...ownLabels(owner),
        [LABELS.role]: role,
        ...(queueName !== undefined && { [LABELS.queue]: queueName }),
      },
      annotations: jobAnnotations({ round, templateDigest, renderedDigest, queue }),
      ownerReferences: [ownerReference(owner)],
    },
    spec: { podFailurePolicy: POD_FAILURE_POLICY, ...fields, template },
  };
  return { name, templateDigest, renderedDigest, queue, job, needs: [configMap] };
}
