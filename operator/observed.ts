import type { ProgressSummary } from '../contract/account/progress.ts';
import type { Role } from '../contract/cluster.ts';
import type { ReasonName } from '../contract/reasons.ts';
import type { Issue } from '../contract/schema/issue.ts';
import type { Outcome } from '../contract/schema/outcome.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import type { DatasetStatus } from '../contract/schema/status.ts';
import type { TrainerApi } from './desired/trainer-api.ts';

/** All that one reconcile knows, gathered by observe.ts and judged by decide/. Times are milliseconds since the epoch. */
export interface Observed {
  readonly now: number;
  readonly owner: Owner;
  /** The resource with defaults filled in, or what is wrong with it. */
  readonly parsed: { readonly dataset: SyntheticDataset } | { readonly issues: readonly Issue[] };
  /** As last written by the operator; empty on the first visit. */
  readonly status: DatasetStatus;
  readonly jobs: readonly JobView[];
  /** Problems of pods of running or just failed Jobs; empty when all run well. */
  readonly pods: PodsView;
  readonly queue: QueueView;
  readonly progress: ProgressSummary;
  /** The form of TrainJobs in the installed Kubeflow Trainer, where a stage needs it and it is known. */
  readonly trainerApi?: TrainerApi;
}

/** The resource as the API server identifies it. */
export interface Owner {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly finalizers: readonly string[];
  /** When it was created, in ISO 8601. */
  readonly createdAt?: string;
  /** Whether its deletion was requested. */
  readonly deleting: boolean;
  /** When it was, in ISO 8601. */
  readonly deletedAt?: string;
}

/**
 * A Job of the dataset. Its life:
 *
 *   (absent) ─apply─▶ running ─▶ complete ─▶ next step, or next round while shards are missing
 *                      ▲   │
 *              suspend └───┤
 *                          └────▶ failed ─pause─▶ next round, where REASONS say that a try can help
 */
export interface JobView {
  readonly name: string;
  readonly uid: string;
  readonly kind: 'Job' | 'TrainJob';
  readonly role: Role;
  /** Training stage, for the role `train`. */
  readonly stage?: string;
  readonly round: number;
  readonly templateDigest: string;
  /** Kueue's LocalQueue that admits it, named by the spec or by Kueue's own default. */
  readonly queueName?: string;
  /** The one that the spec named when the Job was made, empty for none; unknown of Jobs of former versions. */
  readonly desiredQueue?: string;
  /** Digest of its whole pod template; unknown of Jobs of former versions. */
  readonly renderedDigest?: string;
  readonly state: 'running' | 'complete' | 'failed';
  readonly suspended: boolean;
  readonly parallelism: number;
  /** Workers that it was made for; unknown of Jobs of former versions. Kueue may have admitted fewer. */
  readonly replicas?: number;
  /** As few workers as Kueue may admit, where it need not be all. */
  readonly minReplicas?: number;
  /** Kueue's own words on why it does not admit the Job, once it has any. */
  readonly admission?: string;
  /** Pods that exist, have not ended and are not asked to. */
  readonly active: number;
  /** Those among them whose containers run. */
  readonly ready: number;
  /** Pods that are asked to end and still exist. */
  readonly terminating: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Extended resources, such as GPUs, that its pods hold now, by name. */
  readonly held?: Readonly<Record<string, number>>;
  /** Pods that are to be and are not: about to be made, in the pause after a failure, or refused. */
  readonly missing: number;
  readonly createdAt: number;
  /** When it became complete or failed. */
  readonly endedAt: number | null;
  /** The Job controller's own words on a failure. */
  readonly failure: string | null;
  readonly deleting: boolean;
  /** Nodes that its pods keep away from. */
  readonly avoidedNodes: readonly string[];
}

export interface PodsView {
  /** Problems that keep pods from running, the most frequent first. */
  readonly waiting: readonly PodProblem[];
  /** Pods that ended badly, the latest first. */
  readonly failed: readonly FailedPod[];
  /** Outcomes of the pods of publish and training steps that succeeded. */
  readonly succeeded: readonly { readonly job: string; readonly outcome: Outcome }[];
  /** Pods that have not exited, of any Job of the dataset but a cleanup; known while it is being deleted. */
  readonly present: number;
}

export interface PodProblem {
  readonly job: string;
  /** Null for pods that were never made. */
  readonly pod: string | null;
  readonly reason: ReasonName;
  readonly message: string;
  /** Number of pods of the Job that have it. */
  readonly pods: number;
  readonly since: number;
}

export interface FailedPod {
  readonly job: string;
  readonly pod: string;
  /** Null for one that never came to a node. */
  readonly node: string | null;
  readonly exitCode: number | null;
  /** The outcome that the pod wrote; null when it was killed or is not one of ours. */
  readonly outcome: Outcome | null;
  /** Such as OOMKilled or Error; a killed pod leaves no more. */
  readonly containerReason: string | null;
  readonly endedAt: number;
}

/** The dataset's work queue. */
export type QueueView =
  /** Away for a moment, or still being read: wait and see. */
  | { readonly state: 'settling' }
  | { readonly state: 'unreachable'; readonly message: string }
  | { readonly state: 'missing' }
  | {
      readonly state: 'ready';
      readonly messages: number;
      readonly available: number;
      readonly inFlight: number;
      /** Delivered too often and not delivered any more. */
      readonly parked: number;
      /** Plan digest of the last complete fill. */
      readonly filledFor: string | null;
    };

/** The Job of a step with the highest round, the one that counts. */
export function currentJob(jobs: readonly JobView[], role: Role, stage?: string): JobView | null {
  const ofStep = jobs.filter((job) => job.role === role && job.stage === stage);
  return ofStep.reduce<JobView | null>((last, job) => (last === null || job.round > last.round ? job : last), null);
}

/** The outcome of the latest pod of a Job that said why it failed; null if none did. */
export function failureOf(pods: PodsView, job: JobView): FailedPod | null {
  const ofJob = pods.failed.filter((pod) => pod.job === job.name);
  return ofJob.find((pod) => pod.outcome !== null) ?? ofJob[0] ?? null;
}
