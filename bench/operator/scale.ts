import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { progress } from '../../contract/cluster.ts';
import { sha256 } from '../../contract/digest.ts';
import type { PlanEvent, ShardEvent } from '../../contract/schema/task.ts';
import type { Kube } from '../../kube/types.ts';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startKwok } from '../../testbed/kwok.ts';
import { startNats } from '../../testbed/servers/nats.ts';
import { datasetNamed, kubeOf, NAMESPACE, REPLICAS, watchJobs } from './objects.ts';
import { type OperatorProgram, startOperatorProgram } from './program.ts';

/** Many datasets and pods at once: what the operator needs for them. */

export interface Scale {
  readonly datasets: number;
  /** Seconds from the first apply to the last worker Job. */
  readonly jobsSeconds: number;
  /** Seconds from the first apply to the last pod that runs. */
  readonly podsSeconds: number;
  /** Operator, up to then. */
  readonly cpuSeconds: number;
  readonly requestsPerDataset: number;
  /** The operator while every dataset reports its shards. */
  readonly statusUpdates: number;
  readonly requestsPerStatusUpdate: number;
  readonly cpuPerStatusUpdateMs: number;
  /** Bytes, over all of it. */
  readonly peakMemory: number;
}

const APPLIES_AT_ONCE = 16;
const SHARDS = 10;
const PATIENCE_MS = 600_000;
/** Long enough for every dataset to be written several times. */
const PROGRESS_MS = 40_000;

export async function measureScale(datasets: number): Promise<Scale> {
  const [plane, nats] = await Promise.all([startWithDefinition({ controllers: true }), startNats()]);
  const kwok = await startKwok(plane, 50);
  const operator = await startOperatorProgram(plane.kubeconfig, nats.url);
  const kube = kubeOf(plane);
  const jobs = await watchJobs(plane);
  try {
    const begun = performance.now();
    const since = () => (performance.now() - begun) / 1000;
    const names = Array.from({ length: datasets }, (_, i) => `scale-${i}`);
    await inParallel(names, (name) => kube.apply(datasetNamed(name)));
    await until('every Job is there', async () => jobs.count() >= datasets);
    const jobsSeconds = since();
    await until('every pod runs', async () => (await runningPods(kube)) >= datasets * REPLICAS);
    const podsSeconds = since();
    const cpuSeconds = await operator.cpuSeconds();
    const requests = await requestsOf(operator);
    const told = await tellProgress(kube, operator, nats.url);
    return {
      datasets,
      jobsSeconds,
      podsSeconds,
      cpuSeconds,
      requestsPerDataset: requests / datasets,
      ...told,
      peakMemory: await operator.peakMemory(),
    };
  } finally {
    jobs.close();
    await operator.replica.end('SIGKILL');
    await kwok.stop();
    await Promise.all([plane.stop(), nats.stop()]);
  }
}

async function inParallel(names: readonly string[], run: (name: string) => Promise<unknown>): Promise<void> {
  const left = [...names];
  const one = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
  };
  await Promise.all(Array.from({ length: APPLIES_AT_ONCE }, one));
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await look()); await sleep(500)) {
    if (Date.now() > deadline) throw new Error(`within ${PATIENCE_MS} ms it did not happen that ${what}`);
  }
}

const runningPods = async (kube: Kube): Promise<number> =>
  (await kube.list({ kind: 'Pod', namespace: NAMESPACE, metadataOnly: true, fieldSelector: 'status.phase=Running' }))
    .items.length;

/** Watches do not count: each lasts for minutes. */
const requestsOf = async (operator: OperatorProgram): Promise<number> =>
  (await operator.metric('cohortfarm_kube_requests_total')) -
  (await operator.metric('cohortfarm_kube_requests_total', { verb: 'watch' }));

const statusPatches = (operator: OperatorProgram): Promise<number> =>
  operator.metric('cohortfarm_kube_requests_total', { resource: 'syntheticdatasets/status' });

/** Announces a plan for every dataset and records its shards one after the other, as workers do. */
async function tellProgress(kube: Kube, operator: OperatorProgram, url: string) {
  const { items } = await kube.list({ kind: 'SyntheticDataset', namespace: NAMESPACE, metadataOnly: true });
  const before = {
    cpu: await operator.cpuSeconds(),
    requests: await requestsOf(operator),
    patches: await statusPatches(operator),
  };
  const begun = Date.now();
  const connection = await connect({ servers: url });
  const stream = jetstream(connection);
  const tell = (subject: string, event: PlanEvent | ShardEvent) => stream.publish(subject, JSON.stringify(event));
  for (const { metadata } of items) await tell(progress.plan(metadata.uid), planOf(metadata.name));
  for (let shard = 0; shard < SHARDS - 1; shard++) {
    for (const { metadata } of items) await tell(progress.shard(metadata.uid, shard), shardOf(metadata.name, shard));
    await sleep(Math.max(0, begun + (PROGRESS_MS * (shard + 1)) / SHARDS - Date.now()));
  }
  await sleep(5000);
  await connection.close();
  const statusUpdates = (await statusPatches(operator)) - before.patches;
  const requests = (await requestsOf(operator)) - before.requests;
  const cpu = (await operator.cpuSeconds()) - before.cpu;
  return {
    statusUpdates,
    requestsPerStatusUpdate: requests / statusUpdates,
    cpuPerStatusUpdateMs: (1000 * cpu) / statusUpdates,
  };
}

const CELLS = 32;

const digestOf = (name: string): string => sha256(name);

const planOf = (name: string): PlanEvent => ({
  planDigest: digestOf(name),
  samples: 10_000,
  shards: SHARDS,
  cells: Array.from({ length: CELLS }, (_, i) => ({ id: `age=18-39,finding=edema,sex=${i}`, wanted: 312 })),
});

const shardOf = (name: string, shard: number): ShardEvent => ({
  planDigest: digestOf(name),
  shard,
  cells: Array.from({ length: CELLS }, (_, cell) => ({
    cell,
    accepted: 31,
    exhausted: 0,
    attempts: 40,
    rejected: { sex: 9 },
  })),
});
