/**
 * Reasons of conditions: one word for programs, each with its entry in docs/troubleshooting.md. `retries` says whether the
 * operator tries a failed step again by itself (with a growing pause), `stalls` whether a person has to do something.
 */
export interface Reason {
  readonly stalls: boolean;
  readonly retries: boolean;
}

const progressing: Reason = { stalls: false, retries: true };
const needsHelp: Reason = { stalls: true, retries: true };
const hopeless: Reason = { stalls: true, retries: false };

export const REASONS = {
  // On the way.
  Pending: progressing,
  Starting: progressing,
  Planned: progressing,
  Generating: progressing,
  Generated: progressing,
  Publishing: progressing,
  Published: progressing,
  Training: progressing,
  Trained: progressing,
  NoStages: progressing,
  Complete: progressing,
  Suspended: progressing,
  AwaitingAdmission: progressing,
  Deleting: progressing,
  Retrying: progressing,

  // The resource itself.
  SpecInvalid: hopeless,
  PlanChanged: needsHelp,
  OutputTaken: needsHelp,
  SamplesExhausted: hopeless,
  AcceptanceTooLow: needsHelp,
  Shortfall: { stalls: false, retries: false },

  // What it names.
  ModelNotFound: needsHelp,
  ModelInvalid: needsHelp,
  InputNotFound: needsHelp,
  BucketNotFound: needsHelp,
  CredentialsMissing: needsHelp,
  CredentialsRejected: needsHelp,
  DatasetDamaged: needsHelp,
  ShardsMissing: progressing,
  StoreRefused: needsHelp,
  ConfigMissing: needsHelp,

  // The cluster and its services.
  StoreUnavailable: needsHelp,
  QueueUnavailable: needsHelp,
  ImagePullFailed: needsHelp,
  Unschedulable: needsHelp,
  NodeLost: needsHelp,
  ProviderUnavailable: needsHelp,
  ShardUndeliverable: needsHelp,
  PodFailed: needsHelp,
  CreateRefused: needsHelp,
  CleanupFailed: needsHelp,

  // Training.
  StageFailed: needsHelp,
  DataNotFound: needsHelp,
} as const satisfies Record<string, Reason>;

export type ReasonName = keyof typeof REASONS;

/** Seconds before a failed step is tried for the `round`th time again: 10, 20, 40, ... up to 5 minutes. */
export const retryDelay = (round: number): number => Math.min(300, 10 * 2 ** Math.max(0, round - 1));
