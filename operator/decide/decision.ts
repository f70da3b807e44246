import type { ReasonName } from '../../contract/reasons.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import type { StageStatus, StepProgress } from '../../contract/schema/status.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { PodSettings } from '../desired/pod.ts';
import type { JobView, Observed } from '../observed.ts';

/** The actions of a reconcile, and its report on the dataset. */

/** Done in order; the first that fails ends the reconcile, which is tried again. */
export type Action =
  | { readonly type: 'addFinalizer' }
  | { readonly type: 'removeFinalizer'; readonly event?: string; readonly warning?: boolean }
  /** Has what belongs to the resource deleted after it, and not before. */
  | { readonly type: 'leaveForeground' }
  /** Server-side apply. `event` is recorded once the object is there. */
  | { readonly type: 'apply'; readonly object: KubeObject; readonly event?: string }
  | { readonly type: 'deleteJob'; readonly kind: JobView['kind']; readonly name: string; readonly event?: string }
  | { readonly type: 'ensureQueue' }
  /** Puts every shard that is not known to be committed into the queue. */
  | { readonly type: 'fillQueue'; readonly planDigest: string; readonly event?: string }
  | { readonly type: 'resetConsumer' }
  | { readonly type: 'remakeQueue' }
  /** Removes the stream and forgets all progress. */
  | { readonly type: 'removeQueue' };

/** The steps of a dataset's life, each with a condition of its name; their table is in steps.ts. */
export type Step = 'Accepted' | 'Generated' | 'Published' | 'Trained';

/** The position of the dataset: every step before `at` is done, and `at` is under way or stuck for `reason`. */
export interface StepStatus extends Report {
  readonly at: Step | 'done';
}

/** A reason for programs, and words for people. */
export interface Report {
  readonly reason: ReasonName;
  readonly message: string;
}

export interface Decision {
  /** Names the decision, for logs and tests. */
  readonly policy: string;
  readonly actions: readonly Action[];
  /** Null when no status is written: the resource is about to be gone, or too little is known of it. */
  readonly stepStatus: StepStatus | null;
  /** Shards that the publish pod has checked, while it reports. */
  readonly publishing?: StepProgress;
  /** The report of the publish pod, once it is known. */
  readonly published?: NonNullable<Outcome['published']>;
  /** Status of the training stages, once there is something to report. */
  readonly stages?: readonly StageStatus[];
  /** Seconds after which to reconcile again, even if nothing happens. */
  readonly requeueAfter?: number;
}

export interface Settings {
  /** The datasets that this operator looks after: those whose `spec.operatorClass` is the same. Empty: those that name none. */
  readonly operatorClass: string;
  readonly pods: PodSettings;
}

/** Decides before any step does, or returns null when it does not apply. */
export type Guard = (observed: Observed, settings: Settings) => Decision | null;

/** The decision of the first open step; its status is at that step unless it names another. */
export interface StepDecision extends Omit<Decision, 'stepStatus'> {
  readonly stepStatus: Report & { readonly at?: Step };
}

/** Decides what brings on a step that is not done. */
export type Advance = (observed: Observed, settings: Settings) => StepDecision;
