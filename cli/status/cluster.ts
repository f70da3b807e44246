import { z } from 'zod';
import { LABELS } from '../../contract/cluster.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { KIND } from '../../contract/names.ts';
import { type DatasetStatus, statusSchema } from '../../contract/schema/status.ts';
import { createKube } from '../../kube/client.ts';
import { loadConfig } from '../../kube/config.ts';
import { isKubeError, isTransient } from '../../kube/errors.ts';
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
  /** Its role, such as `workers`. */
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
  /** The place of a dataset, as its spec says. @throws UsageError when there is none of that name */
  output(name: string): Promise<ClusterOutput>;
}

export type ClusterOutput = z.infer<typeof outputObject>['spec']['output'];

export interface ClusterOptions {
  readonly context?: string;
  readonly namespace?: string;
  /** The option that named the namespace, for messages. */
  readonly option?: string;
}

const metadata = z.looseObject({ name: z.string(), namespace: z.string(), creationTimestamp: z.string().default('') });
const datasetObject = z.looseObject({
  metadata,
  spec: z.looseObject({ suspend: z.boolean().default(false) }),
  status: z.unknown().optional(),
});
const outputObject = z.looseObject({
  spec: z.looseObject({
    output: z.looseObject({
      uri: z.string(),
      s3: z
        .looseObject({
          endpoint: z.string().optional(),
          region: z.string().optional(),
          forcePathStyle: z.boolean().optional(),
        })
        .default({}),
    }),
  }),
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

/** Whether Kubernetes accepts it as a name; in a URL two dots would lead up. */
const isName = (text: string): boolean => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);

/** Uses KUBECONFIG, ~/.kube/config or the service account of a pod. @throws UsageError when none says where the cluster is */
export function openCluster({ context, namespace: wanted, option = '--namespace' }: ClusterOptions): Cluster {
  const config = configOf(context);
  const namespace = wanted ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  if (!isName(namespace)) {
    throw new UsageError(
      `${option}: ${JSON.stringify(namespace)} is not a valid name; use letters a-z, digits, - and .`,
    );
  }
  const host = new URL(config.getCurrentCluster()!.server).host;
  const kube = createKube({ transport: createTransport(config, 'cohortfarm-cli') });
  /** The answer of the API server to a call, as this version knows it. */
  const read = async <T extends z.ZodType>(what: string, call: Promise<unknown>, schema: T): Promise<z.infer<T>> => {
    const answer = await call.catch((error: unknown) => {
      throw cliError(error, host);
    });
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const message = `the cluster at ${host} answers ${what} in a form that this version does not know: ${parsed.error.message}`;
    throw new Failure('ClusterUnavailable', message);
  };
  const resource = async <T extends z.ZodType>(name: string, schema: T): Promise<z.infer<T>> => {
    const missing = `there is no ${KIND} ${JSON.stringify(name)} in namespace ${namespace}; cohortfarm top -A lists all`;
    if (!isName(name)) throw new UsageError(missing);
    const object = await read(`${KIND} ${name}`, kube.get({ kind: KIND, namespace, name }), schema.nullable());
    if (object === null) throw new UsageError(missing);
    return object as z.infer<T>;
  };
  return {
    namespace,
    dataset: async (name) => datasetOf(await resource(name, datasetObject)),
    output: async (name) => (await resource(name, outputObject)).spec.output,
    async datasets(scope) {
      const call = kube.list({ kind: KIND, ...(scope === 'namespace' && { namespace }) });
      return (await read('the datasets', call, listOf(datasetObject))).items.map(datasetOf);
    },
    async pods(name) {
      const call = kube.list({ kind: 'Pod', namespace, labels: { [LABELS.dataset]: name } });
      return (await read(`the pods of ${name}`, call, listOf(podObject))).items.map(podOf);
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

/** The failure of a call, in words for a person at a command line. */
function cliError(cause: unknown, host: string): unknown {
  if (!isKubeError(cause)) return cause;
  if (cause.kind === 'noSuchKind') return new UsageError(NOT_INSTALLED, { cause });
  const fix = isKubeError(cause, 'forbidden', 'unauthorized') ? '; ask for the right to get and list' : '';
  const message = `${cause.message}, from the cluster at ${host}${fix}`;
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
