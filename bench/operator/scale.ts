import { setTimeout as sleep } from 'node:timers/promises';
import { FINALIZER } from '../../contract/cluster.ts';
import type { Kube } from '../../kube/types.ts';
import { startWithDefinition } from '../../test/crd/definition-server.ts';
import { startKwok } from '../../testbed/kwok.ts';
import { NODES, startCluster } from './cluster.ts';
import {
  datasetNamed,
  inParallel,
  kubeOf,
  NAMESPACE,
  namesOf,
  plainJob,
  plainWorkers,
  until,
  untilAllRun,
  watchJobs,
} from './objects.ts';
import { type Processors, processorTime, spentBetween } from './processors.ts';
import { type OperatorProgram, startOperatorProgram } from './program.ts';
import { type Reports, SHARDS } from './reports.ts';

/** Many datasets and pods at once: what the operator needs for them, beside the same Jobs without it. */

export interface JobTimes {
  readonly datasets: number;
  /** The same Jobs, applied by a bare client to a control plane of their own: one for each time that the operator ran. */
  readonly floor: readonly Times[];
  /** A bare client that writes all that the operator has to write before the Job, and reads nothing. */
  readonly writes: readonly Times[];
  readonly operator: readonly Times[];
}

/** Datasets whose workers all run and report. */
export interface Running {
  readonly datasets: number;
  /** Seconds until every pod runs, and until every pod of the same Jobs does without the operator. */
  readonly pods: number;
  readonly floor: number;
  /** Live events a second, once all run. */
  readonly liveEvents: number;
  /** Operator, until every pod runs. */
  readonly cpuSeconds: number;
  readonly requestsPerDataset: number;
  /** The operator while every dataset reports its shards. */
  readonly statusUpdates: number;
  readonly requestsPerStatusUpdate: number;
  readonly cpuPerStatusUpdateMs: number;
  /** Bytes, over all of it. */
  readonly peakMemory: number;
}

/** From the first apply to the last worker Job. */
export interface Times {
  readonly seconds: number;
  /** By program. */
  readonly processors: Processors;
}

/** Long enough for every dataset to be written several times. */
const PROGRESS_MS = 40_000;

/** Runs of the three in turn, so that what else the machine does meets them alike. */
export async function measureJobTimes(datasets: number, turns: number): Promise<JobTimes> {
  const times: { floor: Times[]; writes: Times[]; operator: Times[] } = { floor: [], writes: [], operator: [] };
  for (let turn = 0; turn < turns; turn++) {
    times.floor.push((await measureFloor(datasets, applyJob)).jobs);
    times.writes.push((await measureFloor(datasets, writeAll)).jobs);
    times.operator.push(await measureJobs(datasets));
  }
  return { datasets, ...times };
}

/** The operator until every worker Job is there. */
async function measureJobs(datasets: number): Promise<Times> {
  const cluster = await startCluster();
  const operator = await startOperatorProgram(cluster.plane.kubeconfig, cluster.nats.url);
  try {
    return await timesOf(cluster.jobs, datasets, cluster.grow);
  } finally {
    await operator.replica.end('SIGKILL');
    await cluster.stop();
  }
}

/** The operator until every pod runs, and while their workers report. */
export async function measureRunning(datasets: number): Promise<Running> {
  const { pods: floor } = await measureFloor(datasets, applyJob, true);
  const cluster = await startCluster();
  const { plane, nats, kube, reports, jobs } = cluster;
  const operator = await startOperatorProgram(plane.kubeconfig, nats.url);
  try {
    const begun = performance.now();
    await timesOf(jobs, datasets, cluster.grow);
    await untilAllRun(kube, datasets);
    const pods = (performance.now() - begun) / 1000;
    const cpuSeconds = await operator.cpuSeconds();
    const requests = await requestsOf(operator);
    return {
      datasets,
      floor: floor!,
      pods,
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

async function measureFloor(datasets: number, apply: (kube: Kube, name: string) => Promise<unknown>, withPods = false) {
  const plane = await startWithDefinition({ controllers: true });
  const kwok = await startKwok(plane, NODES);
  const kube = kubeOf(plane);
  const jobs = await watchJobs(plane);
  try {
    const begun = performance.now();
    const times = await timesOf(jobs, datasets, (name) => apply(kube, name));
    if (withPods) await untilAllRun(kube, datasets);
    return { jobs: times, ...(withPods && { pods: (performance.now() - begun) / 1000 }) };
  } finally {
    jobs.close();
    await kwok.stop();
    await plane.stop();
  }
}

const applyJob = (kube: Kube, name: string): Promise<unknown> => kube.apply(plainJob(name));

/** The dataset, its finalizer and its ConfigMap, and then the Job. */
async function writeAll(kube: Kube, name: string): Promise<void> {
  const dataset = await kube.apply(datasetNamed(name));
  const { uid } = dataset.metadata;
  const { job, needs } = plainWorkers(dataset);
  const finalizers = [FINALIZER];
  await Promise.all([
    kube.mergePatch({ kind: 'SyntheticDataset', namespace: NAMESPACE, name }, { metadata: { uid, finalizers } }),
    ...needs.map((one) => kube.apply(one)),
  ]);
  await kube.apply(job);
}

async function timesOf(
  jobs: Awaited<ReturnType<typeof watchJobs>>,
  datasets: number,
  apply: (name: string) => Promise<unknown>,
): Promise<Times> {
  const before = await processorTime();
  const begun = performance.now();
  await inParallel(namesOf('scale', datasets), apply);
  await until('every Job is there', 20, () => jobs.count() >= datasets);
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, processors: spentBetween(before, await processorTime()) };
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
