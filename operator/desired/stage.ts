import { ENV, PATHS, STAGE_FILE, stageJobName } from '../../contract/cluster.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import type { KubeObject } from '../../kube/types.ts';
import {
  BACKOFF_LIMIT,
  type DesiredJob,
  digestOfTemplate,
  GANG_FAILURE_POLICY,
  jobAnnotations,
  POD_FAILURE_POLICY,
} from './job.ts';
import { strategicMerge } from './overlay.ts';
import { ownerReference, ownLabels } from './owner.ts';
import { CONTAINER, CONTAINER_SECURITY, decisiveSettings, POD_SECURITY, type Template } from './pod.ts';
import {
  type LaunchedStep,
  type StageContext,
  type StageNames,
  type StageObjects,
  stageArgs,
  stageEnv,
  stageLabels,
  stageMounts,
  stageVolumes,
} from './stage-parts.ts';
import { buildTrainJob } from './train-job.ts';

/**
 * What runs a training stage: a TrainJob where the stage names a runtime of Kubeflow Trainer, else an Indexed Job with the
 * environment that torchrun reads (docs/training.md). Each pod is one node of the training.
 */

/** The Service through which torchrun's processes of several nodes find each other. */
const MASTER_PORT = 29_400;

export function buildStage(context: StageContext, round: number): DesiredJob {
  const { owner, stage } = context;
  const config = buildStageConfig(context);
  const name = stageJobName(owner.name, stage.name, round);
  const build = stage.launch.runtimeRef ? buildTrainJob : buildStageJob;
  const names = { name, configMap: config.metadata.name };
  const { job, needs, template } = build(context, names);
  // The way of reports changes nothing that is made.
  const { natsToken: _, ...settings } = { ...decisiveSettings(context.settings, {}), natsUrl: '' };
  const templateDigest = digestOfTemplate(build({ ...context, settings }, names).template);
  const renderedDigest = digestOfTemplate(template);
  const queue = context.dataset.spec.workers.queueName ?? '';
  const annotations = jobAnnotations({ round, templateDigest, renderedDigest, queue });
  return {
    name,
    templateDigest,
    renderedDigest,
    queue,
    job: { ...job, metadata: { ...job.metadata, annotations } },
    needs: [config, ...needs],
  };
}

function buildStageConfig({ owner, stage }: StageContext): KubeObject {
  const text = canonicalJson(stage.config);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `${owner.name}-stage-${sha256(text).slice(0, 10)}`,
      namespace: owner.namespace,
      labels: ownLabels(owner),
      ownerReferences: [ownerReference(owner)],
    },
    immutable: true,
    data: { [STAGE_FILE]: text },
  };
}

function buildStageJob(context: StageContext, { name, configMap }: StageNames): StageObjects {
  const { owner, stage } = context;
  const { completions, parallelism, backoff } = sizeOf(stage);
  const labels = stageLabels(context);
  const template = stageTemplate(context, { name, configMap });
  const ours = { namespace: owner.namespace, labels, ownerReferences: [ownerReference(owner)] };
  const suspend = context.dataset.spec.workers.queueName === undefined ? { suspend: false } : {};
  const job: KubeObject = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...ours, name },
    spec: {
      completionMode: 'Indexed',
      completions,
      parallelism,
      ...backoff,
      podFailurePolicy: trainsTogether(stage) ? GANG_FAILURE_POLICY : POD_FAILURE_POLICY,
      ...suspend,
      template,
    },
  };
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...ours, name },
    spec: {
      clusterIP: 'None',
      // Nodes wait for each other before any of them is ready.
      publishNotReadyAddresses: true,
      selector: { 'batch.kubernetes.io/job-name': name },
      ports: [{ name: 'torchrun', port: MASTER_PORT }],
    },
  };
  return { job, needs: trainsTogether(stage) ? [service] : [], template };
}

/** Whether the pods are nodes of one training. */
export const trainsTogether = ({ launch, shares }: LaunchedStep): boolean => launch.nodes > 1 && !shares;

/** Shares of runs are pods of their own, each of which may fail; the nodes of one training are not. */
function sizeOf({ launch, shares }: LaunchedStep) {
  if (shares) {
    const { count, parallelism } = shares;
    return { completions: count, parallelism, backoff: { backoffLimitPerIndex: BACKOFF_LIMIT } };
  }
  // Several nodes depend on each other: all end, and start together from the checkpoint with the next round.
  const backoff = { backoffLimit: launch.nodes > 1 ? 0 : BACKOFF_LIMIT };
  return { completions: launch.nodes, parallelism: launch.nodes, backoff };
}

function stageTemplate(context: StageContext, { name, configMap }: StageNames): Template {
  const { dataset, stage, settings } = context;
  const { workers } = dataset.spec;
  const { launch } = stage;
  const template = {
    metadata: { labels: stageLabels(context) },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 120,
      securityContext: POD_SECURITY,
      ...(trainsTogether(stage) && { subdomain: name }),
      ...(workers.serviceAccountName !== undefined && { serviceAccountName: workers.serviceAccountName }),
      ...(workers.priorityClassName !== undefined && { priorityClassName: workers.priorityClassName }),
      ...(workers.tolerations && { tolerations: workers.tolerations }),
      // Without it a container of some clusters sees no GPU.
      ...(workers.runtimeClassName !== undefined && { runtimeClassName: workers.runtimeClassName }),
      containers: [
        {
          name: CONTAINER,
          image: launch.image ?? settings.trainerImage,
          ...(settings.imagePullPolicy !== undefined && { imagePullPolicy: settings.imagePullPolicy }),
          args: stageArgs(context),
          env: [...torchrunEnv(name, stage), ...stageEnv(context)],
          resources: launch.resources ?? {},
          volumeMounts: stageMounts(context),
          terminationMessagePath: PATHS.outcome,
          terminationMessagePolicy: 'File',
          securityContext: CONTAINER_SECURITY,
        },
      ],
      volumes: stageVolumes(context, configMap),
    },
  };
  return launch.podTemplate ? strategicMerge(template, launch.podTemplate) : template;
}

/** https://docs.pytorch.org/docs/stable/elastic/run.html: every option of torchrun is read from PET_OPTION, too. */
function torchrunEnv(job: string, stage: LaunchedStep): object[] {
  const together = trainsTogether(stage);
  const values = {
    PET_NNODES: String(together ? stage.launch.nodes : 1),
    PET_NPROC_PER_NODE: String(stage.launch.processesPerNode),
    PET_MASTER_ADDR: together ? `${job}-0.${job}` : '127.0.0.1',
    PET_MASTER_PORT: String(MASTER_PORT),
  };
  const index = { fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']" } };
  return [
    ...Object.entries(values).map(([name, value]) => ({ name, value })),
    ...(stage.shares ? [{ name: ENV.share, valueFrom: index }] : [{ name: 'PET_NODE_RANK', valueFrom: index }]),
  ];
}
