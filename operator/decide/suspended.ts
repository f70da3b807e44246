import { buildWorkers } from '../desired/job.ts';
import { currentJob } from '../observed.ts';
import type { Action, Policy } from './decision.ts';
import { datasetOf, isGenerated, isTrue, removal, stepContext } from './predicates.ts';

/**
 * `spec.suspend`: pods get a SIGTERM, finish their current part and end; what they have stored stays. Where Kueue admits Jobs,
 * `suspend` of a Job is Kueue's to set, so that there the Job is removed and made anew later.
 */
export const suspended: Policy = (observed, settings) => {
  const dataset = datasetOf(observed);
  if (!dataset.spec.suspend) return null;
  const running = observed.jobs.filter((job) => job.state === 'running' && !job.deleting);
  const isKueues = dataset.spec.workers.queueName !== undefined;
  const actions = running.flatMap((job): Action[] => {
    if (job.role !== 'workers' || isKueues) return [removal(job, `Suspended: removed ${job.kind} ${job.name}`)];
    if (job.suspended) return [];
    const { job: object } = buildWorkers(stepContext(observed, settings), job.round, job.parallelism, true);
    return [{ type: 'apply', object, says: `Suspended Job ${job.name}` }];
  });
  const left = running.reduce((sum, job) => sum + job.active + job.terminating, 0);
  const at = isTrue(observed, 'Published')
    ? 'Trained'
    : isGenerated(observed)
      ? 'Published'
      : observed.progress.plan
        ? 'Generated'
        : 'Accepted';
  return {
    policy: 'suspended',
    actions,
    verdict: {
      at,
      reason: 'Suspended',
      message:
        left > 0 && currentJob(observed.jobs, 'workers')
          ? `Suspended; ${left} pods finish their current part`
          : 'Suspended; set spec.suspend: false to go on',
    },
    ...(left > 0 && { after: 5 }),
  };
};
