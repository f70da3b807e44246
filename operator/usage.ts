import type { Usage } from '../contract/schema/status.ts';
import { datasetOf } from './decide/predicates.ts';
import type { JobView, Observed } from './observed.ts';

/**
 * What the workers of a dataset have used, counted from one status to the next: the pods and GPUs of the last count, times the
 * time since. The status is the only memory, so that a restart of the operator loses nothing.
 */

/** Undefined before the first worker Job. */
export function usageOf(observed: Observed): Usage | undefined {
  const { jobs, status, now } = observed;
  const before = status.usage;
  const ofWorkers = jobs.filter(({ role }) => role === 'workers');
  if (!before && ofWorkers.length === 0) return undefined;
  const workers = ofWorkers.reduce((sum, job) => sum + job.ready + job.terminating, 0);
  const gpus = 'dataset' in observed.parsed ? workers * datasetOf(observed).spec.workers.gpus : (before?.gpus ?? 0);
  const rounds = Math.max(before?.rounds ?? 0, ...ofWorkers.map(({ round }) => round));
  const isIdle = before?.workers === 0 && workers === 0;
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
    until: new Date(now).toISOString(),
  };
}

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
  const facts = ({ rounds, workers, gpus }: Usage) => `${rounds} ${workers} ${gpus}`;
  return facts(before) !== facts(after) || Date.parse(after.until) - Date.parse(before.until) >= COUNT_MS;
}
