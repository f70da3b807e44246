import { DATASET_FILE, ENV, LABELS, PATHS, QUEUE_AUDIENCE, type Role } from '../../contract/cluster.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { Owner } from '../observed.ts';
import { strategicMerge } from './overlay.ts';
import { ownLabels } from './owner.ts';

/** Pod templates of our own programs: workers, publish, cleanup. */

/** The operator's settings for pods. */
export interface PodSettings {
  /** Image of workers, publish and cleanup, unless `spec.workers.image` names another. */
  readonly workerImage: string;
  /** Image of workers with GPUs in place of it. */
  readonly cudaImage?: string;
  /** Image of training stages, unless a stage names another. */
  readonly trainerImage: string;
  readonly imagePullPolicy?: string;
  /** As pods reach NATS. */
  readonly natsUrl: string;
  /** Secret in the dataset's namespace whose key `nats.creds` pods present to NATS. */
  readonly natsCredentialsSecret?: string;
  /** Whether pods present a token of their own ServiceAccount to NATS. */
  readonly natsToken?: boolean;
  readonly logLevel?: string;
}

/**
 * The settings, as far as pods that run must be replaced when they change. A log level, a pull policy and a new version of our
 * images change nothing that is made: they are for the next pods.
 */
export const decisiveSettings = (
  settings: PodSettings,
  images: Partial<Pick<PodSettings, 'workerImage' | 'cudaImage'>>,
) => {
  const { imagePullPolicy: _policy, logLevel: _level, cudaImage: _cuda, ...rest } = settings;
  return { ...rest, workerImage: '', trainerImage: '', ...images };
};

export interface PodWanted {
  readonly owner: Owner;
  readonly dataset: SyntheticDataset;
  readonly role: Exclude<Role, 'train'>;
  readonly configMap: string;
  readonly settings: PodSettings;
  readonly planDigest?: string;
}

/** The argument of the pod program for each role. */
const COMMAND = { workers: 'work', publish: 'publish', cleanup: 'cleanup' } as const;

/** The UID of the `nonroot` user of our images. */
const NONROOT = 65_532;

/** Requirements of the restricted pod security standard on a pod. */
export const POD_SECURITY = {
  runAsNonRoot: true,
  runAsUser: NONROOT,
  runAsGroup: NONROOT,
  fsGroup: NONROOT,
  // A volume of models is not walked through again for each of a thousand pods.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

/** And of a container. */
export const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;

/** All containers have this name, so that a `podTemplate` can reach them. */
export const CONTAINER = 'main';

export type Template = {
  readonly metadata: { readonly labels: Record<string, string> };
  readonly spec: Record<string, unknown>;
};

export function buildPodTemplate(wanted: PodWanted): Template {
  const { owner, dataset, role } = wanted;
  const { workers, publish } = dataset.spec;
  const onGpuNodes = role === 'workers';
  const tolerations = onGpuNodes ? workers.tolerations : (publish.tolerations ?? workers.tolerations);
  const template: Template = {
    metadata: { labels: { ...ownLabels(owner), [LABELS.role]: role, [LABELS.component]: role } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: onGpuNodes ? workers.terminationGracePeriodSeconds : 30,
      securityContext: POD_SECURITY,
      ...(workers.serviceAccountName !== undefined && { serviceAccountName: workers.serviceAccountName }),
      ...(workers.priorityClassName !== undefined && { priorityClassName: workers.priorityClassName }),
      ...(tolerations && { tolerations }),
      ...(onGpuNodes && workers.nodeSelector && { nodeSelector: workers.nodeSelector }),
      ...(onGpuNodes && workers.affinity && { affinity: workers.affinity }),
      ...(onGpuNodes && workers.runtimeClassName !== undefined && { runtimeClassName: workers.runtimeClassName }),
      containers: [container(wanted)],
      volumes: volumes(wanted),
    },
  };
  const merged = workers.podTemplate ? strategicMerge(template, workers.podTemplate) : template;
  return onGpuNodes ? merged : withoutGpus(merged, dataset);
}

/**
 * What workers are given beyond the fields, such as pull secrets, holds for these pods, too; but not what they run on: no
 * GPU and no GPU node, which is what a `podTemplate` for workers is often written for.
 */
function withoutGpus(template: Template, { spec }: SyntheticDataset): Template {
  const { resources = PUBLISH_RESOURCES, nodeSelector, podTemplate } = spec.publish;
  const container = { name: CONTAINER, resources: { $patch: 'replace', ...resources } };
  const placed = strategicMerge(template, {
    spec: { containers: [container], nodeSelector: nodeSelector ?? null, affinity: null, runtimeClassName: null },
  });
  return podTemplate ? strategicMerge(placed, podTemplate) : placed;
}

/** Enough to read shards one by one, and a claim that any quota can count. */
const PUBLISH_RESOURCES = {
  requests: { cpu: '250m', memory: '512Mi' },
  limits: { cpu: '2', memory: '4Gi' },
} as const;

function container({ owner, dataset, role, settings, planDigest }: PodWanted) {
  const { workers } = dataset.spec;
  const mounts = [
    { name: 'config', mountPath: PATHS.config, readOnly: true },
    { name: 'cache', mountPath: PATHS.cache },
    { name: 'tmp', mountPath: PATHS.temporary },
    ...(settings.natsCredentialsSecret === undefined
      ? []
      : [{ name: 'nats', mountPath: PATHS.natsCredentials, readOnly: true }]),
    ...(presentsToken(role, settings) ? [{ name: 'queue-token', mountPath: PATHS.natsToken, readOnly: true }] : []),
  ];
  return {
    name: CONTAINER,
    image: workers.image ?? defaultImage(role, workers.gpus, settings),
    ...(settings.imagePullPolicy !== undefined && { imagePullPolicy: settings.imagePullPolicy }),
    command: ['node', PATHS.podProgram, COMMAND[role]],
    env: [
      ...settingsEnv(owner, settings),
      ...(presentsToken(role, settings) ? [{ name: ENV.natsToken, value: `${PATHS.natsToken}/token` }] : []),
      ...(role === 'workers' && workers.gpus > 0 ? [{ name: ENV.gpus, value: String(workers.gpus) }] : []),
      ...(role === 'workers' ? [REQUESTED_CPUS] : []),
      ...(planDigest === undefined ? [] : [{ name: ENV.planDigest, value: planDigest }]),
      ...credentialsEnv(dataset),
    ],
    resources: role === 'workers' ? workerResources(dataset) : {},
    volumeMounts: mounts,
    terminationMessagePath: PATHS.outcome,
    terminationMessagePolicy: 'File',
    securityContext: CONTAINER_SECURITY,
  };
}

/** The kubelet fills it in, so that defaults of the namespace and a pod template count, too. */
const REQUESTED_CPUS = {
  name: ENV.cpus,
  valueFrom: { resourceFieldRef: { containerName: CONTAINER, resource: 'requests.cpu', divisor: '1' } },
} as const;

/** Publish and cleanup need no GPU, nor a large image of it. */
const defaultImage = (role: PodWanted['role'], gpus: number, { workerImage, cudaImage }: PodSettings): string =>
  role === 'workers' && gpus > 0 ? (cudaImage ?? workerImage) : workerImage;

/** A cleanup has nothing to report. */
const presentsToken = (role: PodWanted['role'], { natsToken }: PodSettings): boolean =>
  role !== 'cleanup' && natsToken === true;

function settingsEnv(owner: Owner, settings: PodSettings) {
  const values: Record<string, string> = {
    [ENV.natsUrl]: settings.natsUrl,
    ...(settings.natsCredentialsSecret !== undefined && {
      [ENV.natsCredentials]: `${PATHS.natsCredentials}/nats.creds`,
    }),
    [ENV.datasetFile]: `${PATHS.config}/${DATASET_FILE}`,
    [ENV.datasetUid]: owner.uid,
    [ENV.cache]: PATHS.cache,
    [ENV.outcomeFile]: PATHS.outcome,
    // No image knows the user that a pod runs as, and clients look for their settings at home.
    HOME: PATHS.temporary,
    ...(settings.logLevel !== undefined && { [ENV.logLevel]: settings.logLevel }),
  };
  return [
    ...Object.entries(values).map(([name, value]) => ({ name, value })),
    { name: ENV.podName, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ];
}

/** The Secret stays where it is; the kubelet hands it to the container. */
export function credentialsEnv({ spec }: SyntheticDataset) {
  const secret = spec.output.s3?.credentialsSecretRef?.name;
  if (secret === undefined) return [];
  const from = (key: string, optional: boolean) => ({
    name: key,
    valueFrom: { secretKeyRef: { name: secret, key, ...(optional && { optional }) } },
  });
  return [from('AWS_ACCESS_KEY_ID', false), from('AWS_SECRET_ACCESS_KEY', false), from('AWS_SESSION_TOKEN', true)];
}

/** GPUs are limits: Kubernetes takes extended resources only whole and not overcommitted. */
function workerResources({ spec }: SyntheticDataset): Record<string, unknown> {
  const { gpus, gpuResourceName, resources } = spec.workers;
  if (gpus === 0) return resources ?? {};
  return strategicMerge({ limits: { [gpuResourceName]: String(gpus) } }, resources ?? {});
}

/** Good for the queue alone: the API server refuses it, and the pod still has no token for that. */
export const QUEUE_TOKEN = {
  serviceAccountToken: { path: 'token', audience: QUEUE_AUDIENCE, expirationSeconds: 3600 },
};

function volumes({ dataset, role, configMap, settings }: PodWanted) {
  const { modelCache } = dataset.spec.workers;
  return [
    { name: 'config', configMap: { name: configMap } },
    { name: 'cache', ...(modelCache ?? { emptyDir: {} }) },
    { name: 'tmp', emptyDir: {} },
    ...(settings.natsCredentialsSecret === undefined
      ? []
      : [{ name: 'nats', secret: { secretName: settings.natsCredentialsSecret } }]),
    ...(presentsToken(role, settings) ? [{ name: 'queue-token', projected: { sources: [QUEUE_TOKEN] } }] : []),
  ];
}
