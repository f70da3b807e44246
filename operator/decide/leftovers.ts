import { currentJob, type Observed } from '../observed.ts';
import type { Action } from './decision.ts';
import { removal } from './predicates.ts';

/** Running Jobs that are not needed any more: they hold GPUs, and keep the dataset's Jobs from being removed in time. */

/** Workers that find no shard end by themselves within this time. */
const END_MS = 30_000;

/** Workers after the last shard: those that still wait for a node, or hang. A small dataset may be published before others end. */
export function idleWorkers(observed: Observed): Action[] {
  if (workersEndIn(observed) !== undefined) return [];
  return runningWorkers(observed).map((job) => removal(job, `Removed Job ${job.name}: every shard is committed`));
}

/** Seconds until workers that still run have had their time to end; undefined without any, or once it is over. */
export function workersEndIn(observed: Observed): number | undefined {
  const publish = currentJob(observed.jobs, 'publish');
  if (!publish || runningWorkers(observed).length === 0) return undefined;
  const left = publish.createdAt + END_MS - observed.now;
  return left > 0 ? Math.ceil(left / 1000) : undefined;
}

const runningWorkers = ({ jobs }: Observed) => running(jobs).filter(({ role }) => role === 'workers');

/** Stages that have left the spec. */
export function unwantedStages({ jobs }: Observed, wanted: readonly string[]): Action[] {
  return running(jobs)
    .filter(({ role, stage }) => role === 'train' && !wanted.includes(stage ?? ''))
    .map((job) => removal(job, `Removed ${job.kind} ${job.name}: spec.training asks for no stage ${job.stage}`));
}

const running = (jobs: Observed['jobs']) => jobs.filter(({ state, deleting }) => state === 'running' && !deleting);
