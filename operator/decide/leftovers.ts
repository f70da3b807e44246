import { currentJob, type Observed } from '../observed.ts';
import type { Action } from './decision.ts';
import { removal } from './predicates.ts';

/** Running Jobs that are not needed any more: they hold GPUs, and keep the dataset's Jobs from being removed in time. */

/** Workers that find no shard end by themselves within this time. */
const END_MS = 30_000;

/** Workers after the last shard: those that still wait for a node, or hang. */
export function idleWorkers({ jobs, now }: Observed): Action[] {
  const publish = currentJob(jobs, 'publish');
  if (publish && publish.state === 'running' && now - publish.createdAt < END_MS) return [];
  return running(jobs)
    .filter(({ role }) => role === 'workers')
    .map((job) => removal(job, `Removed Job ${job.name}: every shard is committed`));
}

/** Stages that have left the spec. */
export function unwantedStages({ jobs }: Observed, wanted: readonly string[]): Action[] {
  return running(jobs)
    .filter(({ role, stage }) => role === 'train' && !wanted.includes(stage ?? ''))
    .map((job) => removal(job, `Removed ${job.kind} ${job.name}: spec.training asks for no stage ${job.stage}`));
}

const running = (jobs: Observed['jobs']) => jobs.filter(({ state, deleting }) => state === 'running' && !deleting);
