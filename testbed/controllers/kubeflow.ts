import { join } from 'node:path';
import type { ControlPlane } from '../servers/control-plane.ts';
import { moduleOf, type Part, startParts } from './install.ts';

/** Kubeflow Trainer and the JobSet controller that it works through, as their own manifests install them. */

/** Versions of Kubeflow Trainer: the folders below tools/ whose go.mod names them, and those of the JobSet that each is built for. */
const VERSIONS = {
  '2.0.0': { trainer: 'trainer', jobset: 'jobset' },
  '2.2.0': { trainer: 'trainer-2.2', jobset: 'jobset-0.11' },
} as const;
export type TrainerVersion = keyof typeof VERSIONS;

const jobSetPart = (version: TrainerVersion): Part => ({
  name: 'jobset',
  tool: {
    module: VERSIONS[version].jobset,
    versionOf: 'sigs.k8s.io/jobset',
    package: 'sigs.k8s.io/jobset',
    name: 'jobset-controller',
  },
  args: ['--leader-elect=false'],
  manifests: ['config/default'],
  namespace: 'jobset-system',
  serviceAccount: 'jobset-controller-manager',
  secret: 'jobset-webhook-server-cert',
});

const trainerPart = (version: TrainerVersion): Part => ({
  name: 'trainer',
  tool: {
    module: VERSIONS[version].trainer,
    versionOf: 'github.com/kubeflow/trainer/v2',
    package: 'github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager',
    name: 'trainer-controller-manager',
  },
  args: [],
  manifests: ['crds', 'manager', 'rbac', 'webhook'].map((name) => `manifests/base/${name}`),
  namespace: 'kubeflow-system',
  serviceAccount: 'kubeflow-trainer-controller-manager',
  secret: 'kubeflow-trainer-webhook-cert',
});

/** Both controllers, in the order in which they start. */
export const kubeflowParts = (version: TrainerVersion): [jobSet: Part, trainer: Part] => [
  jobSetPart(version),
  trainerPart(version),
];

export interface Kubeflow {
  /** File of the runtime `torch-distributed` that it brings along. */
  readonly torchRuntime: string;
  stop(): Promise<void>;
}

/** Installs and starts both, also over another version; resolves when TrainJobs can be made. Needs root, for networks. */
export async function startKubeflow(plane: ControlPlane, version: TrainerVersion): Promise<Kubeflow> {
  const parts = kubeflowParts(version);
  const stop = await startParts(plane, parts);
  return { torchRuntime: join(await moduleOf(parts[1]), 'manifests/base/runtimes/torch_distributed.yaml'), stop };
}
