import { FINALIZER } from '../contract/cluster.ts';
import type { Kube, Ref } from '../kube/types.ts';
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
      await kube.apply(action.object);
      return;
    case 'deleteJob':
      // In the background, so that pods get their grace period and the Job's name is free at once.
      return kube.delete({ kind: action.kind, namespace, name: action.name }, { propagation: 'Background' });
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
      return patchFinalizers(
        kube,
        owner,
        owner.finalizers.filter((name) => name !== FINALIZER),
      );
  }
}

/** The resource version makes it a conflict, and so a new look, when somebody else has changed them meanwhile. */
async function patchFinalizers(kube: Kube, owner: Owner, finalizers: readonly string[]): Promise<void> {
  await kube.mergePatch(refOf(owner), {
    metadata: { resourceVersion: owner.resourceVersion, uid: owner.uid, finalizers },
  });
}

export const refOf = ({ namespace, name }: Owner): Ref => ({ kind: 'SyntheticDataset', namespace, name });
