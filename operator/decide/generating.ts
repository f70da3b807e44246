import { grouped } from '../../contract/format.ts';
import { retryDelay } from '../../contract/reasons.ts';
import { buildWorkers, type DesiredJob, leastWorkers, type StepContext } from '../desired/job.ts';
import { currentJob, type JobView, type Observed } from '../observed.ts';
import { usageOf } from '../usage.ts';
import type { Action, Advance, Report, StepDecision } from './decision.ts';
import { failedNodes, failureOfJob, mayRetry, type Trouble, troubleOf } from './diagnose.ts';
import { limitReached, roundsExhausted, secondsToLimit } from './limits.ts';
import {
  datasetOf,
  hasSameTemplate,
  isAccepted,
  mustBeReplaced,
  ofAll,
  removal,
  removeFormer,
  stepContext,
} from './predicates.ts';
import { applyJob, pauseLeft, restore } from './step-job.ts';

/** Workers grow the dataset until every shard is committed. */
export const generate: Advance = (observed, settings) => {
  const context = stepContext(observed, settings);
  const { queue } = observed;
  if (queue.state === 'unreachable') {
    // Running workers continue with their shards; new ones would only wait for the queue.
    return {
      policy: 'awaitQueue',
      actions: [],
      stepStatus: { reason: 'QueueUnavailable', message: queue.message },
      requeueAfter: 10,
    };
  }
  const limit = limitReached(observed);
  if (limit) return stop(observed, limit);
  const job = currentJob(observed.jobs, 'workers');
  if (!job || job.deleting) return startRound(observed, context);
  const { round, avoidedNodes } = job;
  const wanted = buildWorkers(context, { round, replicas: runningReplicas(observed, job), avoidedNodes });
  if (mustBeReplaced(job, wanted)) return replaceJob(observed, context, job);
  if (isNowhereElse(observed, job)) return startRound(observed, context, { before: [removal(job)] });
  if (job.state !== 'running') return ended(observed, context, job);
  const edit = editOf(observed, job);
  if (edit === null || (!isAdmitted(job) && hasSameTemplate(job, wanted))) return running(observed, job, wanted, edit);
  // Better the workers that there are than none.
  return roundsExhausted(observed) ? running(observed, job, wanted, null) : replaceJob(observed, context, job);
};

/** The change that a running Job needs, as an event; null for none. */
function editOf(observed: Observed, job: JobView): string | null {
  if (job.suspended && job.queueName === undefined) return `Resumed Job ${job.name}`;
  const replicas = runningReplicas(observed, job);
  if (askedReplicas(job) !== replicas) return `Scaled Job ${job.name} to ${replicas}`;
  const least = leastWorkers(datasetOf(observed).spec.workers, replicas);
  const mayStart = job.suspended && job.minReplicas !== least;
  return mayStart ? `Job ${job.name} may start with ${least ?? replicas} workers` : null;
}

/** Kueue admits a Job as it is: what it has added to the pod template is not the operator's to know, nor to take away. */
const isAdmitted = ({ queueName, suspended }: JobView): boolean => queueName !== undefined && !suspended;

/** Workers that a Job was made for: Kueue may have admitted fewer. */
const askedReplicas = ({ queueName, replicas, parallelism }: JobView): number =>
  (queueName === undefined ? undefined : replicas) ?? parallelism;

/** As many as there are shards to do: more pods would only hold their GPUs. */
function replicasFor(observed: Observed, round: number): number {
  const { workers } = datasetOf(observed).spec;
  return isProbe(observed, round) ? 1 : usefulWorkers(observed, workers.replicas);
}

const usefulWorkers = (observed: Observed, replicas: number): number =>
  Math.max(1, Math.min(replicas, openShards(observed) ?? replicas));

/**
 * Until the plan is known one pod tries, and the others follow: what is wrong with the spec, the bucket or the model costs
 * one GPU. Kueue would queue a Job that grows once more, and a pod on a node that is lost may never end.
 */
function isProbe(observed: Observed, round: number): boolean {
  const { queueName, probe } = datasetOf(observed).spec.workers;
  const isLost = observed.pods.waiting.some(({ reason }) => reason === 'NodeLost');
  return (probe || round > 1) && !isAccepted(observed) && queueName === undefined && !isLost;
}

/** Shards that are not committed; undefined where only the workers can find out how many there are. */
function openShards({ progress, parsed }: Observed): number | undefined {
  const { quota, output } = datasetOf({ parsed }).spec;
  if (progress.plan) return progress.plan.shards - progress.shardsCommitted;
  return quota.samples === undefined ? undefined : Math.ceil(quota.samples / output.shard.samples);
}

/** A running Job shrinks only by an edit: each pod that goes is in the middle of a shard. */
function runningReplicas(observed: Observed, job: JobView): number {
  const { replicas } = datasetOf(observed).spec.workers;
  // To grow, an admitted Job is replaced: not for shards that only seem to be open, since the progress is not known.
  const isGrowing = !isAdmitted(job) || observed.progress.plan !== null || replicas > askedReplicas(job);
  return Math.min(replicas, Math.max(askedReplicas(job), isGrowing ? replicasFor(observed, job.round) : 1));
}

/** So long may other nodes take to turn up, where an autoscaler makes them. */
const AVOID_MS = 300_000;

/** No other node can take the pods: better one that has failed than none. */
function isNowhereElse({ pods, now }: Observed, job: JobView): boolean {
  const { state, ready, avoidedNodes } = job;
  return (
    state === 'running' &&
    ready === 0 &&
    avoidedNodes.length > 0 &&
    pods.waiting.some(
      ({ job: name, reason, since }) => name === job.name && reason === 'Unschedulable' && now - since > AVOID_MS,
    )
  );
}

/** Workers have reached a limit of the spec: those that run store what they have accepted, and end. */
function stop({ jobs }: Observed, limit: Report): StepDecision {
  const running = jobs.filter(({ role, state, deleting }) => role === 'workers' && state === 'running' && !deleting);
  const actions = running.map((job) => removal(job, `Removed Job ${job.name}: ${limit.reason}`));
  return { policy: 'limitReached', actions, stepStatus: limit };
}

interface RoundStart {
  readonly before?: readonly Action[];
  readonly avoidedNodes?: readonly string[];
  /** Why the round before failed. */
  readonly last?: Report;
}

/** The queue must be there before workers look for it. A round's number is never used again, also when its Job is gone. */
function startRound(observed: Observed, context: StepContext, start: RoundStart = {}): StepDecision {
  const { before = [], avoidedNodes = [], last } = start;
  const limit = roundsExhausted(observed, last);
  if (limit) return { policy: 'limitReached', actions: before, stepStatus: limit };
  const round = (usageOf(observed)?.rounds ?? 0) + 1;
  const wanted = buildWorkers(context, { round, replicas: replicasFor(observed, round), avoidedNodes });
  return {
    policy: 'startWorkers',
    actions: [...before, ...readyQueue(observed), ...applyJob(wanted)],
    stepStatus: { reason: 'Starting', message: `Workers of round ${round} are being started` },
    requeueAfter: 10,
  };
}

/**
 * The queue as the next round needs it: with every shard that is missing. A shard that was acknowledged and yet is missing
 * would be taken for a duplicate by the old stream.
 */
function readyQueue({ queue, progress }: Observed): Action[] {
  if (queue.state !== 'ready') return [{ type: 'ensureQueue' }];
  const { plan } = progress;
  if (!plan || queue.filledFor !== plan.digest) return [];
  const missing = plan.shards - progress.shardsCommitted;
  if (queue.messages < missing) return [{ type: 'remakeQueue' }, { type: 'fillQueue', planDigest: plan.digest }];
  return queue.parked > 0 ? [{ type: 'resetConsumer' }] : [];
}

/** The pod template, the queue, or the size of a Job of Kueue changed: running pods store what they have accepted, then a new round starts. */
function replaceJob(observed: Observed, context: StepContext, job: JobView): StepDecision {
  const former: Action[] =
    job.state === 'running'
      ? [removal(job, `Replaced Job ${job.name}: its pod template, queue or size has changed`)]
      : [];
  return startRound(observed, context, { before: former, avoidedNodes: job.avoidedNodes });
}

function running(observed: Observed, job: JobView, wanted: DesiredJob, edit: string | null): StepDecision {
  const edited: Action[] = edit === null ? [] : [{ type: 'apply', object: wanted.job, event: edit }];
  const isSettled = job.ready === job.active && job.terminating === 0 && job.missing === 0 && !job.suspended;
  const look = isSettled ? 60 : 10;
  return {
    policy: 'generating',
    actions: [...edited, ...fill(observed), ...removeFormer(observed.jobs, job), ...restore(observed, job, wanted)],
    stepStatus: progressReport(observed, job),
    requeueAfter: Math.min(look, secondsToLimit(observed) ?? look),
  };
}

/** Fills the queue for the plan that the workers have announced, once. */
function fill({ queue, progress }: Observed): Action[] {
  const { plan } = progress;
  if (queue.state !== 'ready') return [{ type: 'ensureQueue' }, ...(plan ? [fillFor(plan)] : [])];
  return plan && queue.filledFor !== plan.digest ? [fillFor(plan)] : [];
}

const fillFor = ({ digest, shards }: { digest: string; shards: number }): Action => ({
  type: 'fillQueue',
  planDigest: digest,
  event: `Filled the queue with the missing ones of ${grouped(shards)} shards`,
});

function progressReport(observed: Observed, job: JobView): Report {
  const { progress, status } = observed;
  const { plan, ignoredPlan, tooLow } = progress;
  const trouble = troubleOf(observed, job);
  if (trouble) return trouble;
  if (!plan && ignoredPlan !== null) {
    const message = `Workers plan ${ignoredPlan.slice(0, 12)}, but ${status.planDigest?.slice(0, 12)} was accepted: a model or CSV file has changed; restore it, or create another dataset`;
    return { reason: 'PlanChanged', message };
  }
  if (tooLow) {
    const { cell, gate, accepted, attempts } = tooLow;
    const message = `Of ${attempts} images for cell ${cell} ${accepted} were accepted, most were rejected by gate ${gate}; check that gate and the model, relax the gate, or exclude the cell`;
    return { reason: 'AcceptanceTooLow', message };
  }
  if (!plan) return { reason: 'Starting', message: startingMessage(observed, job) };
  const short = shortOf(observed);
  const ignored =
    ignoredPlan === null
      ? ''
      : `; a worker announced plan ${ignoredPlan.slice(0, 12)}, which contradicts the accepted one and was ignored`;
  const idle = job.active - job.ready;
  const refused = observed.pods.waiting.find(({ job: name, pod }) => name === job.name && pod === null);
  const waiting = idle > 0 ? `; ${idle} pods are not running yet${whyWaiting(observed, job)}` : lostPods(observed, job);
  return {
    reason: 'Generating',
    message: `${ofAll(progress.samples.accepted, plan.samples)} images in ${ofAll(progress.shardsCommitted, plan.shards)} shards; ${grouped(job.ready)} workers run${fewer(job)}${waiting}${badNodes(observed, job)}${refused ? `; ${refused.message}` : ''}${ignored}${short}`,
  };
}

function startingMessage(observed: Observed, job: JobView): string {
  const { replicas } = datasetOf(observed).spec.workers;
  const others = usefulWorkers(observed, replicas) > 1 && isProbe(observed, job.round);
  const follow = others ? '; the others follow once one has prepared the plan (spec.workers.probe)' : '';
  return `Workers are starting: ${ofAll(job.ready, job.parallelism)} run${follow}`;
}

/** Said where Kueue has admitted fewer workers than were asked for. */
const fewer = (job: JobView): string =>
  job.queueName !== undefined && job.parallelism < askedReplicas(job)
    ? `; Kueue has admitted ${ofAll(job.parallelism, askedReplicas(job))}`
    : '';

/** Pods that failed for what is wrong with their nodes, while others work. */
function badNodes({ pods }: Observed, job: JobView): string {
  const nodes = failedNodes(pods, job);
  if (nodes.length === 0) return '';
  const why = pods.failed.find((pod) => pod.job === job.name && pod.node === nodes[0])?.outcome;
  return `; nodes ${nodes.join(', ')} cannot run workers (${why?.reason}: ${why?.message}), and the next round keeps away from them`;
}

/** Said while there is time to decide: nothing is published as long as the spec says Fail. */
function shortOf({ progress, parsed }: Observed): string {
  const { exhausted } = progress.samples;
  if (exhausted === 0 || datasetOf({ parsed }).spec.quality.onExhausted === 'Shortfall') return '';
  return `; ${grouped(exhausted)} samples failed every attempt, so that publishing will wait for spec.quality.onExhausted: Shortfall`;
}

function whyWaiting({ pods }: Observed, job: JobView): string {
  const problem = pods.waiting.find((one) => one.job === job.name && one.pod !== null && one.reason !== 'NodeLost');
  return problem ? ` (${problem.reason}: ${problem.message})` : '';
}

function lostPods({ pods, now }: Observed, job: JobView): string {
  const lost = pods.waiting.find((one) => one.job === job.name && one.reason === 'NodeLost' && one.since <= now);
  return lost ? `; pod ${lost.pod}: ${lost.message}` : '';
}

/** All pods are gone, and shards are missing (or their number is not known). */
function ended(observed: Observed, context: StepContext, job: JobView): StepDecision {
  const { queue, progress } = observed;
  const trouble = job.state === 'failed' ? failureOfJob(observed, job) : shardsStillMissing(observed, job);
  if (job.state === 'failed' && !mayRetry(trouble)) {
    return { policy: 'failedPermanently', actions: [], stepStatus: trouble };
  }
  // A round that got something done is followed soon; shards of killed workers need a moment to be available again.
  const madeProgress = progress.lastCommitAt !== null && progress.lastCommitAt > job.createdAt;
  const pause = madeProgress ? retryDelay(1) : retryDelay(job.round);
  const wait = pauseLeft(observed, job, pause);
  if (wait <= 0) return startRound(observed, context, { avoidedNodes: failedNodes(observed.pods, job), last: trouble });
  const parked = queue.state === 'ready' && queue.parked > 0 ? parkedReport(queue.parked) : null;
  return {
    policy: 'awaitRound',
    actions: [],
    stepStatus: parked ?? trouble,
    requeueAfter: Math.ceil(wait),
  };
}

function parkedReport(parked: number): Report {
  const message = `${parked} shards were given to workers again and again and never finished; see the logs of the last workers. They are tried again with the next round`;
  return { reason: 'ShardUndeliverable', message };
}

/** A round that ended well while shards are missing: their workers died, or found nothing to do. */
function shardsStillMissing({ progress }: Observed, job: JobView): Trouble {
  const { plan } = progress;
  const what = plan ? `${ofAll(progress.shardsCommitted, plan.shards)} shards are committed` : 'no plan is known';
  return {
    reason: 'Retrying',
    message: `The workers of ${job.name} have ended, and ${what}; the next round starts soon`,
  };
}
