import { FOREGROUND } from '../../contract/cluster.ts';
import { retryDelay } from '../../contract/reasons.ts';
import { buildSingle } from '../desired/job.ts';
import type { Observed } from '../observed.ts';
import type { Decision, Guard, Settings, StepStatus } from './decision.ts';
import { removal, stepContext } from './predicates.ts';
import { singleStep } from './step-job.ts';
import { currentStep } from './steps.ts';

/**
 * The resource is to go: pods stop, stored objects are removed if the deletion policy says so, the stream goes, and with the
 * finalizer the resource.
 *
 *   Jobs ─▶ pods gone ─▶ cleanup Job (Delete only) ─▶ stream ─▶ finalizer
 */
export const deleted: Guard = (observed, settings) => {
  const { owner, jobs, pods } = observed;
  if (!owner.deleting) return null;
  if (owner.finalizers.length === 0) return { policy: 'gone', actions: [], stepStatus: null };
  const cleanup = 'dataset' in observed.parsed && observed.parsed.dataset.spec.deletionPolicy === 'Delete';
  // Retain is a way out at any time: a cleanup that has begun stops with the rest.
  const others = jobs.filter((job) => job.role !== 'cleanup' || !cleanup);
  if (others.length > 0 || pods.present > 0) {
    const actions = others.filter((job) => !job.deleting).map((job) => removal(job));
    return {
      policy: 'stopPods',
      actions,
      stepStatus: stepStatusOf(
        observed,
        'Deleting',
        pods.present > 0 ? `${pods.present} pods are being stopped` : 'Its Jobs are being removed',
      ),
      requeueAfter: 2,
    };
  }
  // What was never accepted has written nothing.
  const planDigest = observed.status.planDigest ?? observed.progress.plan?.digest;
  return cleanup && planDigest !== undefined ? removeObjects(observed, settings, planDigest) : leave(observed);
};

function removeObjects(observed: Observed, settings: Settings, planDigest: string): Decision {
  if (observed.owner.finalizers.includes(FOREGROUND)) {
    // The cluster would delete the cleanup Job, too, as it does with all that belongs to the dataset.
    return {
      policy: 'leaveForeground',
      actions: [{ type: 'leaveForeground' }],
      stepStatus: stepStatusOf(observed, 'Deleting', 'Stored objects are about to be removed'),
      requeueAfter: 1,
    };
  }
  const context = { ...stepContext(observed, settings), planDigest };
  const step = singleStep(observed, { role: 'cleanup' }, (round) => buildSingle(context, 'cleanup', round));
  const deleting = (message: string): StepStatus => stepStatusOf(observed, 'Deleting', message);
  switch (step.state) {
    case 'started':
      return {
        policy: 'cleanup',
        actions: step.actions,
        stepStatus: deleting('Stored objects are being removed'),
        requeueAfter: 5,
      };
    case 'running': {
      const { trouble, actions } = step;
      const stepStatus = trouble
        ? stepStatusOf(observed, trouble.reason, trouble.message)
        : deleting('Stored objects are being removed');
      return { policy: 'cleaningUp', actions, stepStatus, requeueAfter: 5 };
    }
    case 'failed': {
      const message = `Stored objects cannot be removed: ${step.trouble.message} (or set spec.deletionPolicy: Retain to keep them)`;
      return {
        policy: 'cleanupFailed',
        actions: [],
        stepStatus: stepStatusOf(observed, 'CleanupFailed', message),
        requeueAfter: step.requeueAfter ?? retryDelay(10),
      };
    }
    case 'done':
      return leave(observed, step.outcome?.message);
  }
}

/**
 * Lets the resource go, and with it its stream. A queue that cannot be reached holds nothing back: what it keeps of the
 * dataset is a few messages that name a UID which never comes back.
 * @param event reports what became of the stored objects
 */
function leave(observed: Observed, event?: string): Decision {
  const { queue } = observed;
  if (queue.state === 'settling') return { policy: 'settling', actions: [], stepStatus: null, requeueAfter: 2 };
  const removeFinalizer = { type: 'removeFinalizer', ...(event !== undefined && { event }) } as const;
  return {
    policy: 'leave',
    actions: queue.state === 'unreachable' ? [removeFinalizer] : [{ type: 'removeQueue' }, removeFinalizer],
    stepStatus: null,
  };
}

/** The namespace is being deleted, too, so that no cleanup pod can be made: the resource goes, and its objects stay. */
export function abandon(observed: Observed): Decision {
  const where = 'dataset' in observed.parsed ? observed.parsed.dataset.spec.output.uri : 'spec.output.uri';
  const event = `The objects in ${where} are kept: the namespace is being deleted, and no cleanup pod can run in it`;
  return { policy: 'abandon', actions: [{ type: 'removeFinalizer', event, warning: true }], stepStatus: null };
}

/** Finished steps stay finished while the resource is being deleted. */
function stepStatusOf(observed: Observed, reason: StepStatus['reason'], message: string): StepStatus {
  return { at: currentStep(observed)?.condition ?? 'Trained', reason, message };
}
