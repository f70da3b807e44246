import { grouped } from '../../contract/format.ts';
import type { Observed } from '../observed.ts';
import { usageOf } from '../usage.ts';
import type { Report } from './decision.ts';
import { datasetOf } from './predicates.ts';

/** `spec.workers.limits`: how long, how often and at what cost workers may run. */

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
  return null;
}

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
  const waits = [
    ...(activeDeadlineSeconds === undefined ? [] : [activeDeadlineSeconds - usage.activeSeconds]),
    ...(maxGpuHours === undefined || usage.gpus === 0 ? [] : [(maxGpuHours * 3600 - usage.gpuSeconds) / usage.gpus]),
  ];
  return waits.length === 0 ? undefined : Math.max(1, Math.ceil(Math.min(...waits)));
}

const limitsOf = (observed: Observed) => datasetOf(observed).spec.workers.limits ?? {};
