import { buildSingle } from '../desired/job.ts';
import { currentJob, type Observed } from '../observed.ts';
import type { Advance, StepDecision } from './decision.ts';
import { idleWorkers } from './leftovers.ts';
import { removal, stepContext } from './predicates.ts';
import { singleStep } from './step-job.ts';
import { inWords, progressOf } from './step-progress.ts';

/** Every shard is committed: a pod checks them all and writes the manifest. */
export const publish: Advance = (observed, settings) => {
  const context = stepContext(observed, settings);
  const step = singleStep(observed, { role: 'publish' }, (round) => buildSingle(context, 'publish', round));
  switch (step.state) {
    case 'started':
      return {
        policy: 'publish',
        actions: step.actions,
        stepStatus: { reason: 'Publishing', message: 'The publish pod is being started' },
        requeueAfter: 10,
      };
    case 'running': {
      const { trouble, actions } = step;
      const progress = progressOf(observed);
      const checked = progress ? `: ${inWords(progress)}` : '';
      const message = `Every shard is committed; the publish pod checks them and writes the manifest${checked}`;
      return {
        policy: 'publishing',
        actions: [...actions, ...idleWorkers(observed)],
        stepStatus: trouble ?? { reason: 'Publishing', message },
        ...(progress && { publishing: progress }),
        requeueAfter: 10,
      };
    }
    case 'failed':
      return failed(observed, step);
    case 'done':
      return done(step);
  }
};

function failed(
  observed: Observed,
  { trouble, requeueAfter }: Extract<ReturnType<typeof singleStep>, { state: 'failed' }>,
): StepDecision {
  const { manifest } = observed.status;
  if (trouble.reason === 'ShardsMissing' && manifest) {
    // Published elsewhere: generating it all again would be a high price for a typing error.
    const message = `The dataset was published as ${manifest.uri}, and spec.output.uri names another place, where it is not: ${trouble.message}; copy it there, or restore spec.output.uri`;
    return {
      policy: 'publishFailed',
      actions: [],
      stepStatus: { reason: 'DatasetDamaged', message },
      ...(requeueAfter !== undefined && { requeueAfter }),
    };
  }
  if (trouble.reason === 'ShardsMissing') {
    // Records have been removed: the shard events are not true any more. Workers find out what is there.
    const job = currentJob(observed.jobs, 'publish')!;
    return {
      policy: 'regenerate',
      actions: [{ type: 'removeQueue' }, removal(job)],
      stepStatus: { at: 'Generated', reason: 'ShardsMissing', message: trouble.message },
      requeueAfter: 1,
    };
  }
  return {
    policy: 'publishFailed',
    actions: [],
    stepStatus: trouble,
    ...(requeueAfter !== undefined && { requeueAfter }),
  };
}

function done({ job, outcome }: Extract<ReturnType<typeof singleStep>, { state: 'done' }>): StepDecision {
  const published = outcome?.published;
  if (!published) {
    // Its pod is gone, and with it what it reported. Publishing again writes nothing and reports the same.
    return {
      policy: 'publishAgain',
      actions: [removal(job)],
      stepStatus: {
        reason: 'Publishing',
        message: `Job ${job.name} has left no answer; it is run again`,
      },
      requeueAfter: 1,
    };
  }
  return {
    policy: 'published',
    actions: [],
    published,
    stepStatus: {
      at: 'Trained',
      reason: 'Published',
      message: `${published.samples.accepted} images are published: ${published.manifest.uri}`,
    },
    // The next reconcile finds the condition written and removes what is not needed any more.
    requeueAfter: 0,
  };
}
