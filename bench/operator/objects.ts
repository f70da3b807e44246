import { setTimeout as sleep } from 'node:timers/promises';
import { FINALIZER } from '../../contract/cluster.ts';
import { API_VERSION, KIND } from '../../contract/names.ts';
import { CONDITIONS, type DatasetStatus } from '../../contract/schema/status.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { createKube } from '../../kube/client.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject, Stored } from '../../kube/types.ts';
import { createWatchSource } from '../../kube/watch-stream.ts';
import { buildWorkers } from '../../operator/desired/job.ts';
import { ownerOf } from '../../operator/observe/observe.ts';
import { configOf } from '../../test/operator/access.ts';
import { OWNER, SETTINGS } from '../../test/support/observed.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';

/** Objects and clients of the operator's benchmarks. */

export const REPLICAS = 10;
export const NAMESPACE = 'default';

/** A dataset of 32 cells and 10 shards, whose workers nothing has to run. */
export function datasetNamed(name: string): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name, namespace: NAMESPACE },
    spec: {
      quota: {
        samples: 10_000,
        axes: {
          sex: { values: ['female', 'male'] },
          age: { bins: ['18-39', '40-59', '60-79', '80-90'] },
          finding: { values: ['no-finding', 'edema', 'effusion', 'opacity'] },
        },
      },
      prompt: { template: '{age} year old {sex} with {finding}' },
      model: { uri: 's3://models/some' },
      output: { uri: `s3://cohorts/${name}` },
      // All at once: no worker runs that could prepare a plan.
      workers: { replicas: REPLICAS, probe: false },
    },
  };
}

/** The workers' Job as the operator makes it, without its owner, whose object is not there. */
export function plainJob(name: string): KubeObject {
  const dataset = parseDataset(datasetNamed(name));
  const { job } = buildWorkers({ owner: OWNER, dataset, settings: SETTINGS.pods }, { round: 1, replicas: REPLICAS });
  // Without a label of its own it would get those of its pods, and the operator would look at a dataset for it.
  return { ...job, metadata: { name, namespace: NAMESPACE, labels: { plain: 'true' } } };
}

/** The same of a dataset that is there, with the ConfigMap that its pods read. */
export function plainWorkers(dataset: Stored) {
  const context = { owner: ownerOf(dataset), dataset: parseDataset(dataset), settings: SETTINGS.pods };
  const { job, needs } = buildWorkers(context, { round: 1, replicas: REPLICAS });
  return { job, needs };
}

/** Makes a dataset that the operator has finished, and tidied up after. */
export async function makeFinished(kube: Kube, name: string): Promise<void> {
  const { metadata, ...rest } = datasetNamed(name);
  const { metadata: made } = await kube.apply({ ...rest, metadata: { ...metadata, finalizers: [FINALIZER] } });
  await kube.patchStatus({ kind: KIND, namespace: NAMESPACE, name, uid: made.uid }, finishedStatus(name));
}

function finishedStatus(name: string): DatasetStatus {
  const uri = `s3://cohorts/${name}/dataset.json`;
  const time = '2026-01-02T03:04:05Z';
  const isFalse = ['Reconciling', 'Stalled'];
  return {
    observedGeneration: 1,
    conditions: CONDITIONS.map((type) => ({
      type,
      status: isFalse.includes(type) ? 'False' : 'True',
      observedGeneration: 1,
      lastTransitionTime: time,
      reason: 'Complete',
      message: `10000 images are published: ${uri}`,
    })),
    planDigest: 'a'.repeat(64),
    samples: { wanted: 10_000, accepted: 10_000, exhausted: 0, attempts: 12_903 },
    percent: 100,
    acceptanceRate: 0.775,
    imagesPerSecond: 0,
    secondsLeft: 0,
    cells: { complete: 32, total: 32 },
    shards: { committed: 10, total: 10 },
    manifest: { uri, sha256: 'b'.repeat(64) },
    lastUpdateTime: time,
  };
}

const APPLIES_AT_ONCE = 16;

/** Runs it for each, as many at once as a client with some patience would. */
export async function inParallel(names: readonly string[], run: (name: string) => Promise<unknown>): Promise<void> {
  const left = [...names];
  const one = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
  };
  await Promise.all(Array.from({ length: APPLIES_AT_ONCE }, one));
}

export const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

const PATIENCE_MS = 600_000;

/** @param everyMs between two looks */
export async function until(what: string, everyMs: number, look: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await look()); await sleep(everyMs)) {
    if (Date.now() > deadline) throw new Error(`within ${PATIENCE_MS} ms it did not happen that ${what}`);
  }
}

/** Until all pods of so many datasets run. */
export const untilAllRun = (kube: Kube, datasets: number): Promise<void> =>
  until('every pod runs', 500, async () => (await runningPods(kube)) >= datasets * REPLICAS);

const runningPods = async (kube: Kube): Promise<number> =>
  (await kube.list({ kind: 'Pod', namespace: NAMESPACE, metadataOnly: true, fieldSelector: 'status.phase=Running' }))
    .items.length;

export const kubeOf = (plane: ControlPlane): Kube => createKube({ transport: createTransport(configOf(plane)) });

export interface JobWatch {
  /** When the Job is there, by `performance.now()`. */
  seen(name: string): Promise<number>;
  /** Jobs seen so far. */
  count(): number;
  close(): void;
}

const HOUR_MS = 3_600_000;

/** Watches Jobs, as anyone may who waits for one. */
export async function watchJobs(plane: ControlPlane): Promise<JobWatch> {
  const times = new Map<string, PromiseWithResolvers<number>>();
  const entry = (name: string) => {
    const known = times.get(name) ?? Promise.withResolvers<number>();
    times.set(name, known);
    return known;
  };
  let count = 0;
  const abort = new AbortController();
  const { resourceVersion } = await kubeOf(plane).list({ kind: 'Job', namespace: NAMESPACE });
  const open = Promise.withResolvers<void>();
  const events = createWatchSource(createTransport(configOf(plane)))({
    query: { kind: 'Job', namespace: NAMESPACE },
    resourceVersion,
    lifetimeMs: HOUR_MS,
    idleMs: HOUR_MS,
    signal: abort.signal,
    onOpen: open.resolve,
  });
  const follow = async () => {
    for await (const { type, metadata } of events) {
      if (type !== 'ADDED') continue;
      count++;
      entry(metadata.name).resolve(performance.now());
    }
  };
  follow().catch((error) => abort.signal.aborted || open.reject(error));
  await open.promise;
  return { seen: (name) => entry(name).promise, count: () => count, close: () => abort.abort() };
}
