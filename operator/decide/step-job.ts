import { retryDelay } from '../../contract/reasons.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import type { DesiredJob } from '../desired/job.ts';
import { currentJob, type JobView, type Observed, type PodProblem } from '../observed.ts';
import type { Action } from './decision.ts';
import { failureOfJob, mayRetry, type Trouble, troubleOf } from './diagnose.ts';
import { mustBeReplaced, removal, removeFormer } from './predicates.ts';

/** A step that one Job does and answers with one outcome: publish, cleanup. */
export type SingleStep =
  /** `after` what the one before has failed for, where it is tried again as it is. */
  | { readonly state: 'started'; readonly actions: readonly Action[]; readonly after?: Trouble }
  | { readonly state: 'running'; readonly actions: readonly Action[]; readonly trouble: Trouble | null }
  /** The next try is `requeueAfter` seconds away; never, without it. */
  | { readonly state: 'failed'; readonly trouble: Trouble; readonly requeueAfter?: number }
  | { readonly state: 'done'; readonly job: JobView; readonly outcome: Outcome | null };

export type StepName =
  | { readonly role: 'publish' | 'cleanup'; readonly stage?: undefined }
  /** `isGang` where its pods work together, and none can continue without the others. */
  | { readonly role: 'train'; readonly stage: string; readonly isGang: boolean };

/** The state of a step, and what brings it on. @param build makes the Job of a round */
export function singleStep(observed: Observed, step: StepName, build: (round: number) => DesiredJob): SingleStep {
  const job = currentJob(observed.jobs, step.role, step.stage);
  if (!job || job.deleting) return start(build((job?.round ?? 0) + 1));
  const wanted = build(job.round);
  const hasChanged = wanted.templateDigest !== job.templateDigest;
  // What was asked for differently is done again, unless it is to remove objects, which are gone.
  if (job.state === 'complete' && !(hasChanged && step.role !== 'cleanup')) {
    const answer = observed.pods.succeeded.find((pod) => pod.job === job.name);
    return { state: 'done', job, outcome: answer?.outcome ?? null };
  }
  if (mustBeReplaced(job, wanted)) {
    return start(build(job.round + 1), job.state === 'running' ? [removal(job)] : []);
  }
  const lost = step.role === 'train' && step.isGang ? lostMember(observed, job) : undefined;
  if (lost) {
    const event = `Replaced Job ${job.name}: the node of pod ${lost.pod} is lost, so all pods start again from the checkpoint`;
    return start(build(job.round + 1), [removal(job, event)]);
  }
  if (job.state === 'running') {
    // Suspended without a queue it was by the operator; what Kueue has suspended is Kueue's to resume.
    const resume: Action[] =
      job.suspended && job.queueName === undefined ? [{ type: 'apply', object: wanted.job }] : [];
    return {
      state: 'running',
      actions: [...resume, ...removeFormer(observed.jobs, job), ...restore(observed, job, wanted)],
      trouble: troubleOf(observed, job),
    };
  }
  const trouble = failureOfJob(observed, job);
  if (!mayRetry(trouble)) return { state: 'failed', trouble };
  const wait = pauseLeft(observed, job, retryDelay(job.round));
  if (wait > 0) return { state: 'failed', trouble, requeueAfter: Math.ceil(wait) };
  return { state: 'started', actions: applyJob(build(job.round + 1)), after: trouble };
}

/**
 * A pod of several that work together, on a node that is lost: the others wait for it, for as long as its connections stay open.
 * Where none of them is left, the lost ones may still work together, and are not to be doubled.
 */
const lostMember = ({ pods, now }: Observed, job: JobView): PodProblem | undefined =>
  job.kind === 'Job' && job.state === 'running' && job.ready > 0
    ? pods.waiting.find(({ job: name, reason, since }) => name === job.name && reason === 'NodeLost' && since <= now)
    : undefined;

/** Seconds that are left of a pause since the end of a Job. */
export const pauseLeft = ({ now }: Observed, { endedAt }: JobView, pause: number): number =>
  pause - Math.max(0, now - (endedAt ?? now)) / 1000;

function start(wanted: DesiredJob, before: readonly Action[] = []): SingleStep {
  return { state: 'started', actions: [...before, ...applyJob(wanted)] };
}

/** Restores what a running Job needs, where its pods miss something: it may have been deleted. */
export const restore = ({ pods }: Observed, job: JobView, { needs }: DesiredJob): Action[] =>
  pods.waiting.some((problem) => problem.job === job.name && problem.reason === 'ConfigMissing')
    ? needs.map((object): Action => ({ type: 'apply', object }))
    : [];

/** A Job and what it needs, in order. */
export function applyJob({ job, needs, name }: DesiredJob): Action[] {
  return [
    ...needs.map((object): Action => ({ type: 'apply', object })),
    { type: 'apply', object: job, event: `Created ${job.kind} ${name}` },
  ];
}
