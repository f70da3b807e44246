import { buildWorkers } from '../desired/job.ts';
import { currentJob } from '../observed.ts';
import type { Action, Guard } from './decision.ts';
import { datasetOf, hasSameTemplate, mustBeReplaced, removal, stepContext } from './predicates.ts';
import { currentStep } from './steps.ts';

/**
 * `spec.suspend`: pods get a SIGTERM, store what is accepted and exit; what they have stored stays. Where Kueue admits Jobs,
 * `suspend` of a Job is Kueue's to set: there the Job is removed, and created again later. So is one whose template has
 * changed, by the same edit or a new version of the installation: the API server would refuse it, and its pods would work on. A dataset that is done has nothing
 * to suspend.
 */
export const suspended: Guard = (observed, settings) => {
  const dataset = datasetOf(observed);
  const step = currentStep(observed);
  if (!dataset.spec.suspend || !step) return null;
  const running = observed.jobs.filter((job) => job.state === 'running' && !job.deleting);
  const actions = running.flatMap((job): Action[] => {
    const remove = removal(job, `Suspended: removed ${job.kind} ${job.name}`);
    if (job.role !== 'workers') return [remove];
    const desired = buildWorkers(stepContext(observed, settings), {
      ...{ round: job.round, replicas: job.parallelism, avoidedNodes: job.avoidedNodes },
      suspend: true,
    });
    if (job.queueName !== undefined || mustBeReplaced(job, desired) || !hasSameTemplate(job, desired)) return [remove];
    return job.suspended ? [] : [{ type: 'apply', object: desired.job, event: `Suspended Job ${job.name}` }];
  });
  const left = running.reduce((sum, job) => sum + job.active + job.terminating, 0);
  return {
    policy: 'suspended',
    actions,
    stepStatus: {
      at: step.condition,
      reason: 'Suspended',
      message:
        left > 0 && currentJob(observed.jobs, 'workers')
          ? `Suspended; ${left} pods store what is accepted and exit`
          : 'Suspended; set spec.suspend: false to resume',
    },
    ...(left > 0 && { requeueAfter: 5 }),
  };
};
