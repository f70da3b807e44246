import type { JobView, Observed } from '../observed.ts';
import type { Action, Decision } from './decision.ts';
import { idleWorkers, unwantedStages, workersEndIn } from './leftovers.ts';
import { datasetOf, removal } from './predicates.ts';
import { rememberedStages, wantedStages } from './training.ts';

/** Every step is done: what is left is to remove the queue, and the Jobs once they have been kept long enough. */
export function finish(observed: Observed): Decision {
  const { status, queue, jobs, now } = observed;
  // The queue goes last: where nothing is left of it, nothing else is (attention.ts).
  const actions: Action[] = [...idleWorkers(observed), ...unwantedStages(observed, wantedStages(observed))];
  if (queue.state === 'ready') actions.push({ type: 'removeQueue' });
  const { ttlSecondsAfterFinished: ttl } = datasetOf(observed).spec;
  const left = jobs.filter((job) => !job.deleting);
  const ended = Math.max(...left.map(endOf(now)));
  const isOver = ttl !== undefined && now >= ended + ttl * 1000;
  if (isOver) actions.push(...left.map((job) => removal(job)));
  const keptFor = ttl !== undefined && !isOver && left.length > 0 && Math.ceil((ended + ttl * 1000 - now) / 1000);
  const waits = [keptFor, workersEndIn(observed)].filter((seconds) => typeof seconds === 'number');
  const { samples, manifest } = status;
  const short = samples !== undefined && samples.accepted < samples.wanted;
  return {
    policy: 'finished',
    actions,
    ...(status.stages && { stages: rememberedStages(observed) }),
    stepStatus: {
      at: 'done',
      reason: short ? 'Shortfall' : 'Complete',
      message: short
        ? `${samples.accepted} of ${samples.wanted} images are published; of ${samples.exhausted} samples no attempt passed the gates`
        : `${samples?.accepted ?? 'All'} images are published: ${manifest?.uri}`,
    },
    ...(waits.length > 0 && { requeueAfter: Math.min(...waits) }),
  };
}

const endOf =
  (now: number) =>
  ({ endedAt }: JobView): number =>
    endedAt ?? now;
