import { z } from 'zod';
import { LABELS } from '../../contract/cluster.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { API_VERSION, KIND } from '../../contract/names.ts';
import { type DatasetStatus, statusSchema } from '../../contract/schema/status.ts';
import { loadConfig } from '../../kube/config.ts';
import { isKubeError, isTransient, type KubeError } from '../../kube/errors.ts';
import { callForJson } from '../../kube/json.ts';
import { createTransport } from '../../kube/transport.ts';

/** Reading datasets and their pods from a cluster, as the person's own kubeconfig may. Nothing is changed. */

export interface ClusterDataset {
  readonly name: string;
  readonly namespace: string;
  /** Null before the operator has seen it, and when it is not as this version knows it. */
  readonly status: DatasetStatus | null;
  readonly suspended: boolean;
}

export interface ClusterPod {
  readonly name: string;
  /** What it does, such as `workers`. */
  readonly role: string;
  /** `Running`, `Pending`, or why it does not run, such as `ImagePullBackOff`. */
  readonly state: string;
  readonly restarts: number;
  readonly node: string;
  /** Since when it exists; ISO 8601. */
  readonly created: string;
}

export interface Cluster {
  readonly namespace: string;
  /** @throws UsageError when there is none of that name */
  dataset(name: string): Promise<ClusterDataset>;
  /** In order of namespace and name. */
  datasets(scope: 'namespace' | 'all'): Promise<ClusterDataset[]>;
  pods(name: string): Promise<ClusterPod[]>;
}

export interface ClusterOptions {
  readonly context?: string;
  readonly namespace?: string;
}

const TIMEOUT_MS = 15_000;
const PLURAL = `${KIND.toLowerCase()}s`;

const metadata = z.looseObject({ name: z.string(), namespace: z.string(), creationTimestamp: z.string().default('') });
const datasetObject = z.looseObject({
  metadata,
  spec: z.looseObject({ suspend: z.boolean().default(false) }),
  status: z.unknown().optional(),
});
const state = z.looseObject({
  waiting: z.looseObject({ reason: z.string().optional() }).optional(),
  terminated: z.looseObject({ reason: z.string().optional() }).optional(),
});
const podObject = z.looseObject({
  metadata: metadata.extend({ labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.looseObject({ nodeName: z.string().default('') }),
  status: z.looseObject({
    phase: z.string().default('Unknown'),
    reason: z.string().optional(),
    containerStatuses: z
      .array(z.looseObject({ restartCount: z.int().default(0), state: state.default({}) }))
      .default([]),
  }),
});
const listOf = <T extends z.ZodType>(item: T) => z.looseObject({ items: z.array(item) });

/** What Kubernetes takes for a name; a URL would take two dots for the way up. */
const isName = (text: string): boolean => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);

/** Uses KUBECONFIG, ~/.kube/config or the service account of a pod. @throws UsageError when none says where the cluster is */
export function openCluster({ context, namespace: wanted }: ClusterOptions): Cluster {
  const config = configOf(context);
  const namespace = wanted ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  if (!isName(namespace)) {
    throw new UsageError(`--namespace: ${JSON.stringify(namespace)} is no name; use letters a-z, digits, - and .`);
  }
  const transport = createTransport(config, 'cohortfarm-cli');
  const read = async <T extends z.ZodType>(what: string, path: string, schema: T): Promise<z.infer<T>> => {
    const action = `read ${what} of the cluster at ${new URL(config.getCurrentCluster()!.server).host}`;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const body = await callForJson(transport, { method: 'GET', path, action, signal }).catch((error) => {
      throw isKubeError(error) ? cliError(error) : error;
    });
    const parsed = schema.safeParse(body);
    if (!parsed.success)
      throw new Failure(
        'ClusterUnavailable',
        `the answer of the cluster to ${path} is not what this version knows: ${parsed.error.message}`,
      );
    return parsed.data;
  };
  const collection = (place: string): string => `/apis/${API_VERSION}${place}/${PLURAL}`;
  const inNamespace = `/namespaces/${encodeURIComponent(namespace)}`;
  return {
    namespace,
    async dataset(name) {
      const what = `${KIND} ${namespace}/${name}`;
      const path = `${collection(inNamespace)}/${encodeURIComponent(name)}`;
      const message = `there is no ${KIND} ${JSON.stringify(name)} in namespace ${namespace}; cohortfarm top -A lists all`;
      if (!isName(name)) throw new UsageError(message);
      const object = await read(what, path, datasetObject).catch((error: Error) => {
        throw isKubeError(error.cause, 'notFound') ? new UsageError(message, { cause: error.cause }) : error;
      });
      return datasetOf(object);
    },
    async datasets(scope) {
      const path = collection(scope === 'all' ? '' : inNamespace);
      return (await read(`every ${KIND}`, path, listOf(datasetObject))).items.map(datasetOf);
    },
    async pods(name) {
      const query = new URLSearchParams({ labelSelector: `${LABELS.dataset}=${name}` });
      const path = `/api/v1${inNamespace}/pods?${query}`;
      return (await read(`the pods of ${namespace}/${name}`, path, listOf(podObject))).items.map(podOf);
    },
  };
}

const NOT_INSTALLED = `the cluster does not know ${KIND}: install CohortFarm there, or choose another context (--context)`;

function configOf(context: string | undefined): ReturnType<typeof loadConfig> {
  try {
    return loadConfig(context === undefined ? undefined : { name: context, givenBy: '--context' });
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

/** What a failed call means to a person at a command line. */
function cliError(cause: KubeError): Error {
  const { message } = cause;
  if (cause.kind === 'noSuchKind') return new UsageError(NOT_INSTALLED, { cause });
  if (isKubeError(cause, 'forbidden', 'unauthorized')) {
    return new Failure('ClusterUnavailable', `${message}; ask for the right to get and list`, { cause });
  }
  return new Failure('ClusterUnavailable', message, { cause, retryable: isTransient(cause) });
}

function datasetOf(object: z.infer<typeof datasetObject>): ClusterDataset {
  const parsed = statusSchema.safeParse(object.status ?? {});
  const { name, namespace } = object.metadata;
  return {
    name,
    namespace,
    status: object.status && parsed.success ? parsed.data : null,
    suspended: object.spec.suspend,
  };
}

function podOf({ metadata, spec, status }: z.infer<typeof podObject>): ClusterPod {
  const containers = status.containerStatuses;
  const reasons = containers.map(({ state }) => state.waiting?.reason ?? state.terminated?.reason);
  const isOver = status.phase === 'Succeeded' || status.phase === 'Running';
  return {
    name: metadata.name,
    role: metadata.labels[LABELS.role] ?? '',
    state: (isOver ? undefined : (reasons.find((reason) => reason !== undefined) ?? status.reason)) ?? status.phase,
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    node: spec.nodeName,
    created: metadata.creationTimestamp,
  };
}
