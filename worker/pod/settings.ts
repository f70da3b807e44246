import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ENV, inboxPrefix } from '../../contract/cluster.ts';
import { UsageError } from '../../contract/failure.ts';
import { ADOPT_ANNOTATION } from '../../contract/names.ts';
import type { PrefixOwner } from '../../contract/schema/record.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import type { Claimant } from '../../dataset/claim.ts';
import { type ResourceContext, resolveUri, s3Options } from '../../platform/resource.ts';
import { type ObjectStore, openStore, storesAbove } from '../../platform/store/store.ts';

/** Settings from the environment of a pod. */

export interface PodSettings {
  readonly dataset: SyntheticDataset;
  readonly uid: string;
  readonly owner: PrefixOwner;
  readonly pod: string;
  readonly resources: ResourceContext;
  readonly output: ObjectStore;
}

export interface QueueSettings {
  readonly url: string;
  readonly credentials?: string;
  readonly token?: string;
  readonly inboxPrefix?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError that names the variable or the file, SpecError for a resource that is none */
export async function readSettings(env: Environment): Promise<PodSettings> {
  const file = required(env, ENV.datasetFile);
  const dataset = parseDataset(await readJson(file));
  const resources = { baseDir: dirname(file), cacheDir: required(env, ENV.cache), s3: s3Options(dataset) };
  return {
    dataset,
    uid: required(env, ENV.datasetUid),
    owner: { kind: 'SyntheticDataset', id: required(env, ENV.datasetUid), name: nameOf(dataset) },
    pod: required(env, ENV.podName),
    resources,
    output: openStore(resolveUri(dataset.spec.output.uri, resources.baseDir), resources.s3),
  };
}

export function readQueueSettings(env: Environment): QueueSettings {
  const credentials = env[ENV.natsCredentials];
  const token = env[ENV.natsToken];
  return {
    url: required(env, ENV.natsUrl),
    ...(credentials && { credentials }),
    // The one place where a worker with a token may listen.
    ...(token && { token, inboxPrefix: inboxPrefix(required(env, ENV.datasetUid)) }),
  };
}

/** Who claims the output of a pod's dataset. */
export function claimantOf({ dataset, owner, output, resources }: PodSettings): Claimant {
  const annotations = dataset.metadata.annotations as Readonly<Record<string, string>> | undefined;
  return { owner, adoptFrom: annotations?.[ADOPT_ANNOTATION], above: storesAbove(output.uri, resources.s3) };
}

/** GPUs that the pod was given; none where the variable is missing. @throws UsageError */
export const readGpus = (env: Environment): number => readCount(env, ENV.gpus, 'GPUs');

/** CPU threads for each of the engines, from what the pod requests; null, for all that the node has, where it requests none. */
export function readThreads(env: Environment, engines: number): number | null {
  const cpus = readCount(env, ENV.cpus, 'CPUs');
  return cpus === 0 ? null : Math.max(1, Math.floor(cpus / engines));
}

function readCount(env: Environment, name: string, what: string): number {
  const text = env[name] ?? '0';
  const count = Number(text);
  if (Number.isInteger(count) && count >= 0) return count;
  throw new UsageError(
    `the environment variable ${name} is ${JSON.stringify(text)}, not a number of ${what}; the operator sets it`,
  );
}

/** The plan whose objects a cleanup may remove. */
export const readPlanDigest = (env: Environment): string => required(env, ENV.planDigest);

const nameOf = ({ metadata: { namespace, name } }: SyntheticDataset): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

function required(env: Environment, name: string): string {
  const value = env[name];
  if (!value) throw new UsageError(`the environment variable ${name} is not set; the operator sets it`);
  return value;
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new UsageError(`${file} cannot be read (${code}); mount the dataset's ConfigMap there`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${file} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}
