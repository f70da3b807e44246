import { ENV, LABELS, PATHS } from '../../contract/cluster.ts';
import type { TrainingStep } from '../../contract/training/steps.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { StepContext } from './job.ts';
import { ownLabels } from './owner.ts';
import { credentialsEnv, QUEUE_TOKEN } from './pod.ts';

/** Parts that a stage's Job and TrainJob share. */

/** A step with how it is launched: evaluation and comparison as the last stage is. */
export interface LaunchedStep extends TrainingStep {
  readonly launch: NonNullable<TrainingStep['stage']>;
}

export interface StageContext extends StepContext {
  readonly stage: LaunchedStep;
}

/** Differences between the two ways to launch. */
export interface StageNames {
  readonly name: string;
  readonly configMap: string;
}

export interface StageObjects {
  readonly job: KubeObject;
  readonly needs: readonly KubeObject[];
  /** Fields that cannot be changed in a running one. */
  readonly template: object;
}

/** Labels of a stage's Job and pods. */
export const stageLabels = ({ owner, stage, dataset }: StageContext): Record<string, string> => ({
  ...ownLabels(owner),
  [LABELS.role]: 'train',
  [LABELS.component]: 'train',
  [LABELS.stage]: stage.name,
  ...(dataset.spec.workers.queueName !== undefined && { [LABELS.queue]: dataset.spec.workers.queueName }),
});

/** Arguments of every trainer, after its own entrypoint. */
export const stageArgs = ({ stage }: StageContext): string[] => [
  stage.config.type.toLowerCase(),
  '--config',
  PATHS.stageConfig,
  ...(stage.launch.args ?? []),
];

/** Credentials, where the outcome goes, and what the stage adds. */
export const stageEnv = (context: StageContext): object[] => [
  { name: ENV.outcomeFile, value: PATHS.outcome },
  { name: ENV.cache, value: PATHS.cache },
  { name: 'HOME', value: PATHS.temporary },
  ...credentialsEnv(context.dataset),
  ...reportsEnv(context),
  ...(context.stage.launch.env ?? []),
];

/** The way to the queue, for reports of progress. The trainer cannot sign what a credentials file asks for. */
function reportsEnv({ owner, settings }: StageContext): object[] {
  const { natsUrl, natsToken, natsCredentialsSecret } = settings;
  if (natsUrl === '' || (natsToken !== true && natsCredentialsSecret !== undefined)) return [];
  return [
    { name: ENV.natsUrl, value: natsUrl },
    { name: ENV.datasetUid, value: owner.uid },
    ...(natsToken ? [{ name: ENV.natsToken, value: `${PATHS.natsToken}/token` }] : []),
  ];
}

const MOUNTS = [
  { name: 'config', mountPath: PATHS.config, readOnly: true },
  { name: 'cache', mountPath: PATHS.cache },
  { name: 'tmp', mountPath: PATHS.temporary },
  { name: 'shm', mountPath: '/dev/shm' },
] as const;

export const stageMounts = ({ settings }: StageContext): object[] => [
  ...MOUNTS,
  ...(settings.natsToken ? [{ name: 'queue-token', mountPath: PATHS.natsToken, readOnly: true }] : []),
];

export const stageVolumes = ({ settings }: StageContext, configMap: string): object[] => [
  { name: 'config', configMap: { name: configMap } },
  { name: 'cache', emptyDir: {} },
  { name: 'tmp', emptyDir: {} },
  // Loader processes hand images over in shared memory, of which a container has 64 MiB by itself.
  { name: 'shm', emptyDir: { medium: 'Memory' } },
  ...(settings.natsToken ? [{ name: 'queue-token', projected: { sources: [QUEUE_TOKEN] } }] : []),
];
