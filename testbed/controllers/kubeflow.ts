import { join } from 'node:path';
import type { ControlPlane } from '../servers/control-plane.ts';
import { moduleOf, type Part, startParts } from './install.ts';

/** Kubeflow Trainer and the JobSet controller that it works through, as their own manifests install them. */

const JOBSET: Part = {
  name: 'jobset',
  tool: { module: 'jobset', versionOf: 'sigs.k8s.io/jobset', package: 'sigs.k8s.io/jobset', name: 'jobset-controller' },
  args: ['--leader-elect=false'],
  manifests: ['config/default'],
  namespace: 'jobset-system',
  serviceAccount: 'jobset-controller-manager',
  secret: 'jobset-webhook-server-cert',
};

const TRAINER: Part = {
  name: 'trainer',
  tool: {
    module: 'trainer',
    versionOf: 'github.com/kubeflow/trainer/v2',
    package: 'github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager',
    name: 'trainer-controller-manager',
  },
  args: [],
  manifests: ['crds', 'manager', 'rbac', 'webhook'].map((name) => `manifests/base/${name}`),
  namespace: 'kubeflow-system',
  serviceAccount: 'kubeflow-trainer-controller-manager',
  secret: 'kubeflow-trainer-webhook-cert',
};

export interface Kubeflow {
  /** File of the runtime `torch-distributed` that it brings along. */
  readonly torchRuntime: string;
  stop(): Promise<void>;
}

/** Installs and starts both; resolves when TrainJobs can be made. Needs root, for networks. */
export async function startKubeflow(plane: ControlPlane): Promise<Kubeflow> {
  const stop = await startParts(plane, [JOBSET, TRAINER]);
  return { torchRuntime: join(await moduleOf(TRAINER), 'manifests/base/runtimes/torch_distributed.yaml'), stop };
}
