import { grouped } from '../../contract/format.ts';
import type { Observed } from '../observed.ts';
import { usageOf } from '../usage.ts';
import type { Report } from './decision.ts';
import { datasetOf } from './predicates.ts';

/** `spec.workers.limits`: how long, how often and at what cost workers may run. `spec.limits`: the cost of the whole dataset. */

const KEPT = 'what is stored stays; raise it to resume';

/** The limit of time or cost that the workers have reached; null for none. */
export function limitReached(observed: Observed): Report | null {
  const { activeDeadlineSeconds, maxGpuHours } = limitsOf(observed);
  const { activeSeconds = 0, gpuSeconds = 0 } = usageOf(observed) ?? {};
  if (activeDeadlineSeconds !== undefined && activeSeconds >= activeDeadlineSeconds) {
    const message = `Workers have run for ${grouped(Math.floor(activeSeconds))} seconds, and spec.workers.limits.activeDeadlineSeconds is ${grouped(activeDeadlineSeconds)}: ${KEPT}`;
    return { reason: 'DeadlineExceeded', message };
  }
  if (maxGpuHours !== undefined && gpuSeconds >= maxGpuHours * 3600) {
    const message = `Workers have used ${(gpuSeconds / 3600).toFixed(2)} GPU-hours, and spec.workers.limits.maxGpuHours is ${maxGpuHours}: ${KEPT}`;
    return { reason: 'BudgetSpent', message };
  }
  return budgetSpent(observed);
}

/** Whether workers and stages together have used the GPU-hours of the dataset; null where they have not. */
export function budgetSpent(observed: Observed): Report | null {
  const max = budgetOf(observed);
  const { gpuSeconds = 0, training } = usageOf(observed) ?? {};
  const ofTraining = training?.gpuSeconds ?? 0;
  if (max === undefined || gpuSeconds + ofTraining < max * 3600) return null;
  const [workers, stages] = [gpuSeconds, ofTraining].map((seconds) => (seconds / 3600).toFixed(2));
  const message = `Workers have used ${workers} GPU-hours and training ${stages}, and spec.limits.maxGpuHours is ${max}: ${KEPT}`;
  return { reason: 'BudgetSpent', message };
}

/** Seconds until the GPU-hours of the dataset are used up, at what it uses now; undefined where they are not. */
export function secondsToBudget(observed: Observed): number | undefined {
  const max = budgetOf(observed);
  const { gpus = 0, gpuSeconds = 0, training = { gpus: 0, gpuSeconds: 0 } } = usageOf(observed) ?? {};
  const held = gpus + training.gpus;
  if (max === undefined || held === 0) return undefined;
  return Math.max(1, Math.ceil((max * 3600 - gpuSeconds - training.gpuSeconds) / held));
}

const budgetOf = (observed: Observed): number | undefined => datasetOf(observed).spec.limits?.maxGpuHours;

/** Whether as many rounds of workers have been started as may be; null where another may begin. @param last why the last one failed */
export function roundsExhausted(observed: Observed, last?: Report): Report | null {
  const { maxRounds } = limitsOf(observed);
  const rounds = usageOf(observed)?.rounds ?? 0;
  if (maxRounds === undefined || rounds < maxRounds) return null;
  const why = last ? `. The last one: ${last.message}` : '';
  const message = `${rounds} rounds of workers have been started, and spec.workers.limits.maxRounds is ${maxRounds}: ${KEPT}${why}`;
  return { reason: 'RoundsExhausted', message };
}

/** Seconds until running workers reach a limit, at what they use now; undefined where they do not. */
export function secondsToLimit(observed: Observed): number | undefined {
  const { activeDeadlineSeconds, maxGpuHours } = limitsOf(observed);
  const usage = usageOf(observed);
  if (!usage || usage.workers === 0) return undefined;
  const budget = secondsToBudget(observed);
  const waits = [
    ...(activeDeadlineSeconds === undefined ? [] : [activeDeadlineSeconds - usage.activeSeconds]),
    ...(maxGpuHours === undefined || usage.gpus === 0 ? [] : [(maxGpuHours * 3600 - usage.gpuSeconds) / usage.gpus]),
    ...(budget === undefined ? [] : [budget]),
  ];
  return waits.length === 0 ? undefined : Math.max(1, Math.ceil(Math.min(...waits)));
}

const limitsOf = (observed: Observed) => datasetOf(observed).spec.workers.limits ?? {};
