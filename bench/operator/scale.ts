import { setTimeout as sleep } from 'node:timers/promises';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startKwok } from '../../testbed/kwok.ts';
import { NODES, startCluster } from './cluster.ts';
import { inParallel, kubeOf, namesOf, plainJob, REPLICAS, runningPods, until, watchJobs } from './objects.ts';
import { type OperatorProgram, startOperatorProgram } from './program.ts';
import { type Reports, SHARDS } from './reports.ts';

/** Many datasets and pods at once: what the operator needs for them, beside the same Jobs without it. */

export interface Scale {
  readonly datasets: number;
  /** The same Jobs, applied by a bare client to a control plane of their own. */
  readonly floor: Times;
  readonly operator: Times;
  /** Live events a second, once all run. */
  readonly liveEvents: number;
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

/** Seconds from the first apply. */
export interface Times {
  /** To the last worker Job. */
  readonly jobs: number;
  /** To the last pod that runs. */
  readonly pods: number;
}

/** Long enough for every dataset to be written several times. */
const PROGRESS_MS = 40_000;

export async function measureScale(datasets: number): Promise<Scale> {
  const floor = await measureFloor(datasets);
  const cluster = await startCluster();
  const { plane, nats, kube, reports, jobs } = cluster;
  const operator = await startOperatorProgram(plane.kubeconfig, nats.url);
  try {
    const times = await timesOf(jobs, datasets, kube, cluster.grow);
    const cpuSeconds = await operator.cpuSeconds();
    const requests = await requestsOf(operator);
    return {
      datasets,
      floor,
      operator: times,
      cpuSeconds,
      requestsPerDataset: requests / datasets,
      ...(await tellProgress(operator, reports)),
      peakMemory: await operator.peakMemory(),
    };
  } finally {
    await operator.replica.end('SIGKILL');
    await cluster.stop();
  }
}

async function measureFloor(datasets: number): Promise<Times> {
  const plane = await startWithDefinition({ controllers: true });
  const kwok = await startKwok(plane, NODES);
  const kube = kubeOf(plane);
  const jobs = await watchJobs(plane);
  try {
    return await timesOf(jobs, datasets, kube, (name) => kube.apply(plainJob(name)));
  } finally {
    jobs.close();
    await kwok.stop();
    await plane.stop();
  }
}

async function timesOf(
  jobs: Awaited<ReturnType<typeof watchJobs>>,
  datasets: number,
  kube: ReturnType<typeof kubeOf>,
  apply: (name: string) => Promise<unknown>,
): Promise<Times> {
  const begun = performance.now();
  const since = () => (performance.now() - begun) / 1000;
  await inParallel(namesOf('scale', datasets), apply);
  await until('every Job is there', 20, () => jobs.count() >= datasets);
  const jobsSeconds = since();
  await until('every pod runs', 500, async () => (await runningPods(kube)) >= datasets * REPLICAS);
  return { jobs: jobsSeconds, pods: since() };
}

/** Watches do not count: each lasts for minutes. */
const requestsOf = async (operator: OperatorProgram): Promise<number> =>
  (await operator.metric('cohortfarm_kube_requests_total')) -
  (await operator.metric('cohortfarm_kube_requests_total', { verb: 'watch' }));

const statusPatches = (operator: OperatorProgram): Promise<number> =>
  operator.metric('cohortfarm_kube_requests_total', { resource: 'syntheticdatasets/status' });

/** Has every dataset record its shards one after the other, while its workers report. */
async function tellProgress(operator: OperatorProgram, reports: Reports) {
  const before = {
    cpu: await operator.cpuSeconds(),
    requests: await requestsOf(operator),
    patches: await statusPatches(operator),
    live: reports.count(),
  };
  const begun = Date.now();
  for (let shard = 0; shard < SHARDS - 1; shard++) {
    await reports.commit(shard);
    await sleep(Math.max(0, begun + (PROGRESS_MS * (shard + 1)) / SHARDS - Date.now()));
  }
  await sleep(5000);
  const liveEvents = (reports.count() - before.live) / ((Date.now() - begun) / 1000);
  const statusUpdates = (await statusPatches(operator)) - before.patches;
  const requests = (await requestsOf(operator)) - before.requests;
  const cpu = (await operator.cpuSeconds()) - before.cpu;
  return {
    liveEvents,
    statusUpdates,
    requestsPerStatusUpdate: requests / statusUpdates,
    cpuPerStatusUpdateMs: (1000 * cpu) / statusUpdates,
  };
}
