import type { Usage } from '../contract/schema/status.ts';
import { datasetOf } from './decide/predicates.ts';
import type { JobView, Observed } from './observed.ts';

/**
 * What the workers and stages of a dataset have used, counted from one status to the next: the pods and GPUs of the last count,
 * times the time since. The status is the only memory, so that a restart of the operator loses nothing.
 */

/** Undefined before the first worker Job, or the first stage that holds a GPU. */
export function usageOf(observed: Observed): Usage | undefined {
  const { jobs, status, now } = observed;
  const before = status.usage;
  const ofWorkers = jobs.filter(({ role }) => role === 'workers');
  const training = trainingOf(observed);
  if (!before && ofWorkers.length === 0 && !training) return undefined;
  const workers = ofWorkers.reduce((sum, job) => sum + job.ready + job.terminating, 0);
  const gpus = 'dataset' in observed.parsed ? workers * datasetOf(observed).spec.workers.gpus : (before?.gpus ?? 0);
  const rounds = Math.max(before?.rounds ?? 0, ...ofWorkers.map(({ round }) => round));
  const holdsNone = [before?.training, training].every((one) => (one?.gpus ?? 0) === 0);
  const isIdle = before?.workers === 0 && workers === 0 && holdsNone;
  // Nothing to count: a dataset at rest has the same status for ever.
  if (isIdle && before.rounds === rounds) return before;
  const seconds = before ? Math.max(0, endOf(ofWorkers, now) - Date.parse(before.until)) / 1000 : 0;
  const gpuSeconds = seconds * (before?.gpus ?? 0);
  return {
    rounds,
    workers,
    gpus,
    activeSeconds: tenths((before?.activeSeconds ?? 0) + (before && before.workers > 0 ? seconds : 0)),
    gpuSeconds: tenths((before?.gpuSeconds ?? 0) + gpuSeconds),
    rejectedGpuSeconds: tenths((before?.rejectedGpuSeconds ?? 0) + gpuSeconds * rejectedShare(observed)),
    ...(training && { training }),
    until: new Date(now).toISOString(),
  };
}

/** Undefined before a stage holds a GPU. */
function trainingOf({ jobs, status, parsed, now }: Observed): Usage['training'] {
  const { training: before, until = '' } = status.usage ?? {};
  const ofStages = jobs.filter(({ role }) => role === 'train');
  const named = 'dataset' in parsed ? parsed.dataset.spec.workers.gpuResourceName : '';
  const gpus = ofStages.reduce((sum, { held = {} }) => sum + gpusOf(held, named), 0);
  if (!before && gpus === 0) return undefined;
  const seconds = before && before.gpus > 0 ? Math.max(0, endOf(ofStages, now) - Date.parse(until)) / 1000 : 0;
  return { gpus, gpuSeconds: tenths((before?.gpuSeconds ?? 0) + seconds * (before?.gpus ?? 0)) };
}

/** Names under which device plugins count GPUs; others count their memory or cores (`nvidia.com/gpumem`), or percents of one. */
const GPU = /^(nvidia\.com\/(gpu(\.shared)?|mig-.+)|amd\.com\/gpu|gpu\.intel\.com\/(i915|xe))$/;

const gpusOf = (held: NonNullable<JobView['held']>, named: string): number =>
  Object.entries(held).reduce((sum, [name, amount]) => sum + (name === named || GPU.test(name) ? amount : 0), 0);

/** The end of the last Job where all have ended; else now. */
function endOf(jobs: readonly JobView[], now: number): number {
  const ends = jobs.map(({ endedAt }) => endedAt);
  return ends.length === 0 || ends.includes(null) ? now : Math.max(...ends.map((end) => end ?? now));
}

function rejectedShare({ progress: { samples } }: Observed): number {
  return samples.attempts === 0 ? 0 : 1 - samples.accepted / samples.attempts;
}

const tenths = (value: number): number => Math.round(value * 10) / 10;

/** A running count is written so often: each write stores the whole resource. */
const COUNT_MS = 300_000;

/** Whether a count is news: other pods or GPUs are counted from now on, or it is old. */
export function isUsageNews(before: Usage | undefined, after: Usage | undefined): boolean {
  if (!before || !after) return before !== after;
  const facts = ({ rounds, workers, gpus, training }: Usage) => `${rounds} ${workers} ${gpus} ${training?.gpus}`;
  return facts(before) !== facts(after) || Date.parse(after.until) - Date.parse(before.until) >= COUNT_MS;
}
