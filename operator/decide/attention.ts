import { FINALIZER } from '../../contract/cluster.ts';
import type { Spec } from '../../contract/schema/spec.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import type { Stored } from '../../kube/types.ts';

/**
 * What a resource needs of this operator, judged by the resource alone, before anything else is read:
 *
 * - `foreign`: nothing; another operator looks after it.
 * - `settled`: nothing; it is finished, and all is tidied up.
 * - `full`: to be observed and decided on.
 */
export type Attention = 'foreign' | 'settled' | 'full';

/** @param isQueueGone whether the queue holds nothing of it: that goes last when a dataset is finished */
export function attentionOf(object: Stored, operatorClass: string, isQueueGone: boolean): Attention {
  const spec = (object.spec ?? {}) as Partial<Spec>;
  if ((spec.operatorClass ?? '') !== operatorClass) return 'foreign';
  return isQueueGone && isFinished(object) && !hasMoreToDo(spec) ? 'settled' : 'full';
}

/** As last written, for the spec as it is now. */
function isFinished({ metadata, status }: Stored): boolean {
  const { observedGeneration, conditions = [] } = (status ?? {}) as DatasetStatus;
  return (
    metadata.deletionTimestamp === undefined &&
    (metadata.finalizers ?? []).includes(FINALIZER) &&
    observedGeneration === metadata.generation &&
    conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True')
  );
}

/** Jobs to remove after a time, and stages whose digests a new version may compute in another way. */
const hasMoreToDo = ({ ttlSecondsAfterFinished, training }: Partial<Spec>): boolean =>
  ttlSecondsAfterFinished !== undefined || training !== undefined;
