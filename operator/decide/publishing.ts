import { buildSingle } from '../desired/job.ts';
import { currentJob, type Observed } from '../observed.ts';
import type { Decision, Policy, Verdict } from './decision.ts';
import { removal, stepContext } from './predicates.ts';
import { singleStep } from './step-job.ts';

/** Every shard is committed: a pod checks them all and writes the manifest. */
export const publishing: Policy = (observed, settings) => {
  const context = stepContext(observed, settings);
  const step = singleStep(observed, { role: 'publish' }, (round) => buildSingle(context, 'publish', round));
  const at = (reason: Verdict['reason'], message: string): Verdict => ({ at: 'Published', reason, message });
  switch (step.state) {
    case 'started':
      return {
        policy: 'publish',
        actions: step.actions,
        verdict: at('Publishing', 'The publish pod is being started'),
        after: 10,
      };
    case 'running': {
      const { trouble, actions } = step;
      const message = 'Every shard is committed; the publish pod checks them and writes the manifest';
      return {
        policy: 'publishing',
        actions,
        verdict: trouble ? at(trouble.reason, trouble.message) : at('Publishing', message),
        after: 10,
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
  { trouble, after }: Extract<ReturnType<typeof singleStep>, { state: 'failed' }>,
): Decision {
  if (trouble.reason === 'ShardsMissing') {
    // Somebody has removed records: what the events say is not true any more. Workers find out what is there.
    const publish = currentJob(observed.jobs, 'publish')!;
    return {
      policy: 'regenerate',
      actions: [{ type: 'removeQueue' }, removal(publish)],
      verdict: { at: 'Generated', reason: 'ShardsMissing', message: trouble.message },
      after: 1,
    };
  }
  const verdict: Verdict = { at: 'Published', reason: trouble.reason, message: trouble.message };
  return { policy: 'publishFailed', actions: [], verdict, ...(after !== undefined && { after }) };
}

function done({ job, outcome }: Extract<ReturnType<typeof singleStep>, { state: 'done' }>): Decision {
  const published = outcome?.published;
  if (!published) {
    // Its pod is gone, and with it what it said. Publishing again writes nothing and says the same.
    return {
      policy: 'publishAgain',
      actions: [removal(job)],
      verdict: {
        at: 'Published',
        reason: 'Publishing',
        message: `Job ${job.name} has left no answer; it is run again`,
      },
      after: 1,
    };
  }
  return {
    policy: 'published',
    actions: [],
    published,
    verdict: {
      at: 'Trained',
      reason: 'Published',
      message: `${published.samples.accepted} images are published: ${published.manifest.uri}`,
    },
    // The next look finds the condition written and tidies up.
    after: 0,
  };
}
