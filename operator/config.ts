import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ENV } from '../contract/cluster.ts';
import { label } from '../contract/schema/text.ts';
import { parseLineageUrl } from '../platform/lineage.ts';
import type { StreamLimits } from '../platform/queue/streams.ts';
import type { Settings } from './decide/decision.ts';

/** The configuration of the operator: environment variables alone. */

export interface OperatorConfig {
  /** Namespaces whose datasets it looks after; empty for all. */
  readonly namespaces: readonly string[];
  /** The connection of the operator itself to NATS. */
  readonly nats: { readonly url: string; readonly credentials?: string; readonly token?: string };
  /** Limits of the streams that are made from now on. */
  readonly streamLimits: StreamLimits;
  readonly settings: Settings;
  /** Name of the pod, for people. */
  readonly instance: string;
  readonly lease: {
    readonly namespace: string;
    readonly name: string;
    /** Identity of this process and of no other. */
    readonly identity: string;
    readonly durationSeconds: number;
  };
  /** Between two looks at everything, as a net under the watches. */
  readonly resyncSeconds: number;
  /** Datasets looked at at the same time. */
  readonly concurrency: number;
  /** The OpenLineage server that gets the events of runs; none by default. */
  readonly lineage?: { readonly url: string; readonly apiKey?: string; readonly namespace: string };
  readonly http: { readonly host: string; readonly port: number };
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** For running work to end after SIGTERM. */
  readonly shutdownSeconds: number;
}

/** Every variable that is missing or wrong, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const whole = (min: number, max: number, otherwise: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(otherwise);
const name = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be a name as Kubernetes has them')
  .max(253);
const image = z.string().regex(/^\S+$/, 'must be the reference of an image');
const natsUrl = z.string().regex(/^(nats|tls):\/\/[^\s,]+(,(nats|tls):\/\/[^\s,]+)*$/, 'must be like nats://host:4222');

const variables = z.object({
  COHORTFARM_NAMESPACES: z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .transform((parts) => parts.filter((part) => part !== ''))
    .pipe(z.array(name))
    .default([]),
  COHORTFARM_CLASS: label.optional(),
  [ENV.natsUrl]: natsUrl,
  [ENV.natsCredentials]: z.string().optional(),
  [ENV.natsToken]: z.string().optional(),
  COHORTFARM_WORKER_NATS_URL: natsUrl.optional(),
  COHORTFARM_NATS_CREDENTIALS_SECRET: name.optional(),
  COHORTFARM_WORKER_IMAGE: image,
  COHORTFARM_CUDA_IMAGE: image.optional(),
  COHORTFARM_TRAINER_IMAGE: image,
  COHORTFARM_IMAGE_PULL_POLICY: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  COHORTFARM_STREAM_REPLICAS: whole(1, 5, 1),
  COHORTFARM_ACK_WAIT_SECONDS: whole(5, 3600, 30),
  COHORTFARM_MAX_DELIVER: whole(2, 1000, 20),
  [ENV.podName]: z.string().default('operator'),
  COHORTFARM_POD_NAMESPACE: name.default('default'),
  COHORTFARM_LEASE: name.default('cohortfarm'),
  COHORTFARM_LEASE_SECONDS: whole(2, 300, 15),
  COHORTFARM_RESYNC_SECONDS: whole(10, 86_400, 300),
  COHORTFARM_CONCURRENCY: whole(1, 64, 16),
  COHORTFARM_HTTP_HOST: z.string().default('0.0.0.0'),
  COHORTFARM_HTTP_PORT: whole(0, 65_535, 8080),
  [ENV.logLevel]: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  COHORTFARM_SHUTDOWN_SECONDS: whole(0, 600, 20),
  // As the clients of OpenLineage call them.
  OPENLINEAGE_URL: z
    .string()
    .refine(
      (text) => parseLineageUrl(text) !== null,
      'must be like http://marquez:5000, without user, password or query, with the key in OPENLINEAGE_API_KEY',
    )
    .optional(),
  OPENLINEAGE_API_KEY: z
    .string()
    .trim()
    .regex(/^[\x21-\x7e]+$/, 'must be one word of ASCII')
    .optional(),
  OPENLINEAGE_NAMESPACE: z.string().default('cohortfarm'),
});

/** Their names. */
export const VARIABLES: readonly string[] = Object.keys(variables.shape);

/**
 * Reads the environment; a variable that is set to nothing counts as not set.
 * @throws ConfigError that names every variable that is missing or wrong
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): OperatorConfig {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''));
  const result = variables.safeParse(set);
  if (!result.success) throw new ConfigError(result.error.issues.map(lineOf).join('\n'));
  const values = result.data;
  const secret = values.COHORTFARM_NATS_CREDENTIALS_SECRET;
  const policy = values.COHORTFARM_IMAGE_PULL_POLICY;
  const credentials = values[ENV.natsCredentials];
  const token = values[ENV.natsToken];
  const cudaImage = values.COHORTFARM_CUDA_IMAGE;
  const instance = values[ENV.podName];
  const logLevel = values[ENV.logLevel];
  const { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: apiKey, OPENLINEAGE_NAMESPACE: namespace } = values;
  return {
    namespaces: values.COHORTFARM_NAMESPACES,
    nats: {
      url: values[ENV.natsUrl],
      ...(credentials !== undefined && { credentials }),
      ...(token !== undefined && { token }),
    },
    streamLimits: {
      replicas: values.COHORTFARM_STREAM_REPLICAS,
      ackWaitMs: values.COHORTFARM_ACK_WAIT_SECONDS * 1000,
      maxDeliver: values.COHORTFARM_MAX_DELIVER,
    },
    settings: {
      operatorClass: values.COHORTFARM_CLASS ?? '',
      pods: {
        workerImage: values.COHORTFARM_WORKER_IMAGE,
        trainerImage: values.COHORTFARM_TRAINER_IMAGE,
        ...(cudaImage !== undefined && { cudaImage }),
        natsUrl: values.COHORTFARM_WORKER_NATS_URL ?? values[ENV.natsUrl],
        logLevel,
        ...(policy !== undefined && { imagePullPolicy: policy }),
        ...(secret !== undefined && { natsCredentialsSecret: secret }),
        // Where the operator presents a token, so do its pods.
        ...(token !== undefined && { natsToken: true }),
      },
    },
    instance,
    lease: {
      namespace: values.COHORTFARM_POD_NAMESPACE,
      name: values.COHORTFARM_LEASE,
      identity: `${instance}_${randomUUID()}`,
      durationSeconds: values.COHORTFARM_LEASE_SECONDS,
    },
    resyncSeconds: values.COHORTFARM_RESYNC_SECONDS,
    concurrency: values.COHORTFARM_CONCURRENCY,
    ...(url !== undefined && { lineage: { url, ...(apiKey !== undefined && { apiKey }), namespace } }),
    http: { host: values.COHORTFARM_HTTP_HOST, port: values.COHORTFARM_HTTP_PORT },
    logLevel,
    shutdownSeconds: values.COHORTFARM_SHUTDOWN_SECONDS,
  };
}

function lineOf(issue: z.core.$ZodIssue): string {
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return `${String(issue.path[0])}: ${isMissing ? 'is required' : issue.message}`;
}
