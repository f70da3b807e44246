import { retryDelay } from '../../contract/reasons.ts';
import { buildSingle } from '../desired/job.ts';
import type { Observed } from '../observed.ts';
import type { Decision, Policy, Settings, Verdict } from './decision.ts';
import { removal, stepContext } from './predicates.ts';
import { singleStep } from './step-job.ts';

/**
 * The resource is to go: pods stop, stored objects are removed if the deletion policy says so, the stream goes, and with the
 * finalizer the resource.
 *
 *   Jobs ─▶ pods gone ─▶ cleanup Job (Delete only) ─▶ stream ─▶ finalizer
 */
export const deleting: Policy = (observed, settings) => {
  const { owner, jobs, pods } = observed;
  if (!owner.deleting) return null;
  if (owner.finalizers.length === 0) return { policy: 'gone', actions: [], verdict: null };
  const others = jobs.filter((job) => job.role !== 'cleanup');
  if (others.length > 0 || pods.present > 0) {
    const actions = others.filter((job) => !job.deleting).map((job) => removal(job));
    return {
      policy: 'stopPods',
      actions,
      verdict: verdictOf(
        observed,
        'Deleting',
        pods.present > 0 ? `${pods.present} pods are being stopped` : 'Its Jobs are being removed',
      ),
      after: 2,
    };
  }
  const cleanup = 'dataset' in observed.parsed && observed.parsed.dataset.spec.deletionPolicy === 'Delete';
  // What was never accepted has written nothing.
  const planDigest = observed.status.planDigest ?? observed.progress.plan?.digest;
  return cleanup && planDigest !== undefined ? removeObjects(observed, settings, planDigest) : leave(observed);
};

function removeObjects(observed: Observed, settings: Settings, planDigest: string): Decision {
  const context = { ...stepContext(observed, settings), planDigest };
  const step = singleStep(observed, { role: 'cleanup' }, (round) => buildSingle(context, 'cleanup', round));
  const deleting = (message: string): Verdict => verdictOf(observed, 'Deleting', message);
  switch (step.state) {
    case 'started':
      return {
        policy: 'cleanup',
        actions: step.actions,
        verdict: deleting('Stored objects are being removed'),
        after: 5,
      };
    case 'running': {
      const { trouble, actions } = step;
      const verdict = trouble
        ? verdictOf(observed, trouble.reason, trouble.message)
        : deleting('Stored objects are being removed');
      return { policy: 'cleaningUp', actions, verdict, after: 5 };
    }
    case 'failed': {
      const message = `Stored objects cannot be removed: ${step.trouble.message} (or set spec.deletionPolicy: Retain to keep them)`;
      return {
        policy: 'cleanupFailed',
        actions: [],
        verdict: verdictOf(observed, 'CleanupFailed', message),
        after: step.after ?? retryDelay(10),
      };
    }
    case 'done':
      return leave(observed, step.outcome?.message);
  }
}

/** @param says what became of the stored objects */
function leave(observed: Observed, says?: string): Decision {
  const { queue } = observed;
  if (queue.state === 'settling') return { policy: 'settling', actions: [], verdict: null, after: 2 };
  if (queue.state === 'unreachable') {
    return {
      policy: 'awaitQueue',
      actions: [],
      verdict: verdictOf(observed, 'QueueUnavailable', queue.message),
      after: 10,
    };
  }
  return {
    policy: 'leave',
    actions: [{ type: 'removeQueue' }, { type: 'removeFinalizer', ...(says !== undefined && { says }) }],
    verdict: null,
  };
}

/** Whatever step the dataset was at: its deletion is what is under way. */
function verdictOf({ status }: Observed, reason: Verdict['reason'], message: string): Verdict {
  return { at: status.planDigest === undefined ? 'Accepted' : 'Generated', reason, message };
}
