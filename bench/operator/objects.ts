import { API_VERSION, KIND } from '../../contract/names.ts';
import { createKube } from '../../kube/client.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { createWatchSource } from '../../kube/watch-stream.ts';
import { configOf } from '../../test/operator/access.ts';
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
