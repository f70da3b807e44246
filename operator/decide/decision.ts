import type { ReasonName } from '../../contract/reasons.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import type { StageStatus } from '../../contract/schema/status.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { PodSettings } from '../desired/pod.ts';
import type { JobView, Observed } from '../observed.ts';

/** What a reconcile does, and what it says of the dataset. */

/** Done in order; the first that fails ends the reconcile, which is tried again. */
export type Action =
  | { readonly type: 'addFinalizer' }
  | { readonly type: 'removeFinalizer'; readonly says?: string }
  /** Server-side apply. `says` becomes an Event once it is there. */
  | { readonly type: 'apply'; readonly object: KubeObject; readonly says?: string }
  | { readonly type: 'deleteJob'; readonly kind: JobView['kind']; readonly name: string; readonly says?: string }
  | { readonly type: 'ensureQueue' }
  /** Puts every shard that is not known to be committed into the queue. */
  | { readonly type: 'fillQueue'; readonly planDigest: string; readonly says?: string }
  | { readonly type: 'resetConsumer' }
  | { readonly type: 'remakeQueue' }
  /** Removes the stream and forgets all progress. */
  | { readonly type: 'removeQueue' };

/** The steps that have a condition, in their order. */
export const STEPS = ['Accepted', 'Generated', 'Published', 'Trained'] as const;
export type Step = (typeof STEPS)[number];

/** Where the dataset stands: every step before `at` is done, and `at` is done, under way or stuck for `reason`. */
export interface Verdict {
  readonly at: Step | 'done';
  readonly reason: ReasonName;
  readonly message: string;
}

export interface Decision {
  /** Names the policy that decided, for logs and tests. */
  readonly policy: string;
  readonly actions: readonly Action[];
  /** Null when nothing is to be written, since the resource is about to be gone. */
  readonly verdict: Verdict | null;
  /** What the publish pod said, once it is known. */
  readonly published?: NonNullable<Outcome['published']>;
  /** Of the training stages, once there is something to say. */
  readonly stages?: readonly StageStatus[];
  /** Seconds after which to look again, even if nothing happens. */
  readonly after?: number;
}

export interface Settings {
  readonly pods: PodSettings;
}

/** One policy of the chain: a decision, or null when it is another's to decide. */
export type Policy = (observed: Observed, settings: Settings) => Decision | null;
