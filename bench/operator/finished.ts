import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from './cluster.ts';
import { datasetNamed, inParallel, makeFinished, namesOf, plainJob, until, untilAllRun } from './objects.ts';
import { timeOf } from './overhead.ts';
import { startOperatorProgram } from './program.ts';

/** Thousands of datasets, of which most are finished, and what that costs the others. */

export interface Finished {
  readonly finished: number;
  readonly growing: number;
  /** Seconds from the start of the operator to the worker Job of a dataset that was applied before. */
  readonly afterStart: number;
  /** Seconds from the apply of a new dataset to its worker Job, while the others grow; resyncs included. */
  readonly firstLooks: readonly number[];
  /** Seconds from the apply of a Job until it is seen, in turn with them: what the same cluster needs without the operator. */
  readonly floor: readonly number[];
  /** Bytes. */
  readonly peakMemory: number;
}

const LOOKS = 30;
const LOOK_EVERY_MS = 2000;
/** Several of them within the measurement. */
const RESYNC_SECONDS = 20;

export async function measureFinished(finished: number, growing: number): Promise<Finished> {
  const cluster = await startCluster();
  const { plane, nats, kube, jobs } = cluster;
  const start = () =>
    startOperatorProgram(plane.kubeconfig, nats.url, { COHORTFARM_RESYNC_SECONDS: String(RESYNC_SECONDS) });
  const timeToJob = async (name: string) => {
    const begun = performance.now();
    await cluster.grow(name);
    return ((await jobs.seen(`${name}-workers-1`)) - begun) / 1000;
  };
  await inParallel(namesOf('finished', finished), (name) => makeFinished(kube, name));
  let operator = await start();
  try {
    await inParallel(namesOf('growing', growing), cluster.grow);
    await until('every Job is there', 100, () => jobs.count() >= growing);
    await operator.replica.end('SIGTERM');
    await kube.apply(datasetNamed('waiting'));
    const begun = performance.now();
    operator = await start();
    const afterStart = ((await jobs.seen('waiting-workers-1')) - begun) / 1000;
    await untilAllRun(kube, growing);
    const [firstLooks, floor]: [number[], number[]] = [[], []];
    for (const name of namesOf('new', LOOKS)) {
      firstLooks.push(await timeToJob(name));
      floor.push((await timeOf(kube, jobs, plainJob(`plain-${name}`), `plain-${name}`)) / 1000);
      await sleep(LOOK_EVERY_MS);
    }
    return { finished, growing, afterStart, firstLooks, floor, peakMemory: await operator.peakMemory() };
  } finally {
    await operator.replica.end('SIGKILL');
    await cluster.stop();
  }
}
