import type { KubeObject } from '../../kube/types.ts';
import { ownerReference } from './owner.ts';
import {
  type StageContext,
  type StageNames,
  type StageObjects,
  stageArgs,
  stageEnv,
  stageLabels,
  stageMounts,
  stageVolumes,
} from './stage-parts.ts';
import { trainJobSpec } from './trainer-api.ts';

/**
 * A stage for Kubeflow Trainer v2: https://www.kubeflow.org/docs/components/trainer/. What a TrainJob can't say (security
 * context, what a pod's exit code means) its runtime says: examples/cluster/kubeflow-runtime.yaml.
 */

/** Name of the Job and of the container that train, in every runtime of Kubeflow Trainer. */
const NODE = 'node';

/**
 * What our own image starts, where a runtime says otherwise; another image is started as its runtime says. The trainer starts
 * torchrun itself, which would end with 1 whatever the trainer ended with.
 */
const COMMAND = ['python', '-m', 'cohortfarm_trainer'];

export function buildTrainJob(context: StageContext, { name, configMap }: StageNames): StageObjects {
  const { owner, stage, dataset, settings } = context;
  const { launch } = stage;
  const { serviceAccountName, tolerations } = dataset.spec.workers;
  const shared = {
    runtimeRef: launch.runtimeRef,
    trainer: {
      image: launch.image ?? settings.trainerImage,
      ...(launch.image === undefined && { command: COMMAND }),
      args: stageArgs(context),
      env: stageEnv(context),
      numNodes: launch.nodes,
      numProcPerNode: launch.processesPerNode,
      ...(launch.resources && { resourcesPerNode: withRequests(launch.resources) }),
    },
  };
  const podSpec = {
    ...(serviceAccountName !== undefined && { serviceAccountName }),
    ...(tolerations && { tolerations }),
    volumes: stageVolumes(context, configMap),
    containers: [{ name: NODE, volumeMounts: stageMounts(context) }],
  };
  const parts = { shared, labels: stageLabels(context), job: NODE, podSpec };
  const job: KubeObject = {
    apiVersion: 'trainer.kubeflow.org/v1alpha1',
    kind: 'TrainJob',
    metadata: {
      name,
      namespace: owner.namespace,
      labels: stageLabels(context),
      ownerReferences: [ownerReference(owner)],
    },
    spec: trainJobSpec(parts, context.trainerApi ?? 'podSpecOverrides'),
  };
  // Digested in the words of one version: an upgrade of Kubeflow Trainer changes no stage.
  return { job, needs: [], template: trainJobSpec(parts, 'podSpecOverrides') };
}

/** Limits are requests, too, as in any pod: Kubeflow Trainer starts one process where it finds no requests. */
const withRequests = ({ requests, ...resources }: Readonly<Record<string, unknown>>): object => ({
  ...resources,
  requests: requests ?? resources.limits ?? {},
});
