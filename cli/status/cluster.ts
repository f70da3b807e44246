import http from 'node:http';
import https from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { LABELS } from '../../contract/cluster.ts';
import { API_VERSION, KIND } from '../../contract/names.ts';
import { type DatasetStatus, statusSchema } from '../../contract/schema/status.ts';
import { redact } from '../../platform/redact.ts';
import { StoreError } from '../../platform/store/store.ts';
import { TerminalError, UsageError } from '../../worker/errors.ts';

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

/** Uses KUBECONFIG, ~/.kube/config or the service account of a pod. @throws UsageError when none says where the cluster is */
export function openCluster({ context, namespace: wanted }: ClusterOptions): Cluster {
  const config = loadConfig(context);
  const namespace = wanted ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  const read = <T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T>> => readObject(config, path, schema);
  const collection = (place: string): string => `/apis/${API_VERSION}${place}/${PLURAL}`;
  const inNamespace = `/namespaces/${encodeURIComponent(namespace)}`;
  return {
    namespace,
    async dataset(name) {
      const path = `${collection(inNamespace)}/${encodeURIComponent(name)}`;
      try {
        return datasetOf(await read(path, datasetObject));
      } catch (error) {
        if (!(error instanceof AbsentError)) throw error;
        const message = error.isKnownKind
          ? `there is no ${KIND} ${JSON.stringify(name)} in namespace ${namespace}; cohortfarm top -A lists all`
          : NOT_INSTALLED;
        throw new UsageError(message, { cause: error });
      }
    },
    async datasets(scope) {
      const list = await read(collection(scope === 'all' ? '' : inNamespace), listOf(datasetObject)).catch((error) => {
        throw error instanceof AbsentError ? new UsageError(NOT_INSTALLED, { cause: error }) : error;
      });
      return list.items.map(datasetOf);
    },
    async pods(name) {
      const query = new URLSearchParams({ labelSelector: `${LABELS.dataset}=${name}` });
      return (await read(`/api/v1${inNamespace}/pods?${query}`, listOf(podObject))).items.map(podOf);
    },
  };
}

const NOT_INSTALLED = `the cluster does not know ${KIND}: install CohortFarm there, or choose another context (--context)`;

function loadConfig(context: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    throw new UsageError(`the kubeconfig cannot be read (${redact((cause as Error).message)}); check KUBECONFIG`, {
      cause,
    });
  }
  if (context !== undefined) {
    if (!config.getContextObject(context)) {
      const known = config.getContexts().map(({ name }) => name);
      throw new UsageError(`--context: the kubeconfig has no ${JSON.stringify(context)}; it has ${known.join(', ')}`);
    }
    config.setCurrentContext(context);
  }
  const server = config.getCurrentCluster()?.server;
  // What the library makes up where it finds nothing.
  if (!server || server === 'http://localhost:8080')
    throw new UsageError('no kubeconfig says where the cluster is; set KUBECONFIG or --context');
  return config;
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

/** The API server has no such object, or no such kind. */
class AbsentError extends Error {
  readonly isKnownKind: boolean;
  constructor(isKnownKind: boolean) {
    super('not found');
    this.isKnownKind = isKnownKind;
  }
}

async function readObject<T extends z.ZodType>(config: KubeConfig, path: string, schema: T): Promise<z.infer<T>> {
  const { code, text } = await get(config, path);
  // An object that is missing is answered in JSON, a path that nobody serves is not.
  if (code === 404) throw new AbsentError(text.startsWith('{'));
  if (code === 401 || code === 403) {
    throw new TerminalError(
      `the cluster refuses to be read (${code}): ${messageOf(text)}; ask for the right to get and list`,
    );
  }
  if (code !== 200) {
    const kind = code >= 500 || code === 429 ? 'retryable' : 'terminal';
    throw new StoreError(kind, `the cluster answers ${code}: ${messageOf(text)}`);
  }
  const parsed = schema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new TerminalError(`the cluster answers what is no ${path}: ${parsed.error.message}`);
  return parsed.data;
}

function messageOf(text: string): string {
  try {
    return redact(String((JSON.parse(text) as { message?: unknown }).message).slice(0, 300));
  } catch {
    return redact(text.slice(0, 300));
  }
}

async function get(config: KubeConfig, path: string): Promise<{ code: number; text: string }> {
  const server = config.getCurrentCluster()!.server.replace(/\/+$/, '');
  const options: https.RequestOptions = { headers: { accept: 'application/json' }, timeout: TIMEOUT_MS };
  await config.applyToHTTPSOptions(options);
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number; text: string }>();
  const lib = server.startsWith('http:') ? http : https;
  const outgoing = lib.request(new URL(server + path), options, (incoming) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', reject);
    incoming.on('end', () => resolve({ code: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
  outgoing.on('error', reject);
  outgoing.end();
  return promise.catch((cause: Error) => {
    throw new StoreError(
      'retryable',
      `the cluster at ${new URL(server).host} cannot be reached: ${redact(cause.message)}`,
      {
        cause,
      },
    );
  });
}
