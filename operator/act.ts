import { FINALIZER, FOREGROUND } from '../contract/cluster.ts';
import { isKubeError, KubeError } from '../kube/errors.ts';
import { kindOf } from '../kube/resources.ts';
import type { Kube, KubeObject, Ref, Stored } from '../kube/types.ts';
import type { QueueAdmin } from '../platform/queue/types.ts';
import type { Action } from './decide/decision.ts';
import type { ProgressStore } from './observe/progress-store.ts';
import type { Owner } from './observed.ts';

/** Carries out what decide/ decided. Every action may be done again. */

export interface ActContext {
  readonly kube: Kube;
  readonly queue: QueueAdmin;
  readonly progress: ProgressStore;
}

export async function act({ kube, queue, progress }: ActContext, owner: Owner, action: Action): Promise<void> {
  const { namespace, uid } = owner;
  switch (action.type) {
    case 'apply':
      return applyOwn(kube, owner, action.object);
    case 'deleteJob':
      if (action.kind === 'TrainJob' && owner.deleting) return deleteWithPods(kube, { ...action, namespace });
      // In the background, so that pods get their grace period and the Job's name is free at once.
      return kube.delete({ kind: action.kind, namespace, name: action.name });
    case 'ensureQueue':
      return queue.ensureStreams(uid);
    case 'fillQueue':
      return queue.fill(uid, action.planDigest, progress.of(uid).missing());
    case 'resetConsumer':
      return queue.resetConsumer(uid);
    case 'remakeQueue':
      return queue.remake(uid);
    case 'removeQueue':
      await queue.remove(uid);
      progress.forget(uid);
      return;
    case 'addFinalizer':
      return patchFinalizers(kube, owner, [...owner.finalizers, FINALIZER]);
    case 'removeFinalizer':
    case 'leaveForeground': {
      const gone = action.type === 'removeFinalizer' ? FINALIZER : FOREGROUND;
      const left = owner.finalizers.filter((name) => name !== gone);
      return patchFinalizers(kube, owner, left);
    }
  }
}

/**
 * Applies an object of the dataset. One that only has the name of ours is left as it is: where the API server finds another
 * manager's values in it, or another owner, it is looked at before anything is taken over.
 */
async function applyOwn(kube: Kube, { uid }: Owner, object: KubeObject): Promise<void> {
  try {
    await kube.apply(object, { force: false });
  } catch (error) {
    if (!isKubeError(error, 'conflict', 'invalid')) throw error;
    const { namespace, name } = object.metadata;
    const there = await kube.get({ kind: kindOf(object), namespace, name });
    if (there && !there.metadata.ownerReferences?.some((owner) => owner.uid === uid)) {
      throw foreignError(object, there, error);
    }
    if (error.kind === 'invalid') throw error;
    await kube.apply(object);
  }
}

function foreignError({ kind, metadata }: KubeObject, there: Stored, cause: unknown): KubeError {
  const { name, namespace } = metadata;
  const [owner] = there.metadata.ownerReferences ?? [];
  const whose = owner ? `belongs to ${owner.kind} ${owner.name} (uid ${owner.uid})` : 'was not made for this dataset';
  return new KubeError('invalid', {
    reason: 'AnotherOwner',
    message: `there is a ${kind} ${namespace}/${name} already, which ${whose}; nothing in it was changed: delete or rename it`,
    cause,
  });
}

/**
 * Deletes a TrainJob after its pods: one that is gone no longer leads to them, and a dataset that is deleted waits for them.
 * Kubeflow Trainer makes the JobSet of a TrainJob again when it finds it deleted, also where the TrainJob itself is being
 * deleted (2.0.0 to 2.2.0). Suspended, the new one starts no pod.
 */
async function deleteWithPods(kube: Kube, { kind, namespace, name }: Ref): Promise<void> {
  const ref = { kind, namespace, name };
  try {
    await kube.mergePatch(ref, { spec: { suspend: true } });
  } catch (error) {
    // It may be gone, or what is left of Kubeflow Trainer may refuse changes: no reason to keep it.
    const isRefused = isKubeError(error, 'notFound', 'noSuchKind', 'invalid', 'forbidden');
    if (!isRefused && !(isKubeError(error) && /webhook/.test(error.message))) throw error;
  }
  await kube.delete(ref, { propagation: 'Foreground' });
}

/** The resource version makes it a conflict, and so another reconcile, when another writer has changed them meanwhile. */
async function patchFinalizers(kube: Kube, owner: Owner, finalizers: readonly string[]): Promise<void> {
  await kube.mergePatch(refOf(owner), {
    metadata: { resourceVersion: owner.resourceVersion, uid: owner.uid, finalizers },
  });
}

export const refOf = ({ namespace, name }: Owner): Ref => ({ kind: 'SyntheticDataset', namespace, name });
