import { EXIT } from './names.ts';

/** Reasons of conditions: one word for programs, each with its entry in docs/troubleshooting.md. */
export interface Reason {
  /** Whether a person has to do something. */
  readonly stalls: boolean;
  /** Whether the operator retries a failed step by itself, with a growing pause. */
  readonly retries: boolean;
  /** The exit code of a program that fails for this reason and is not worth restarting as it is. */
  readonly exit: (typeof EXIT)[keyof typeof EXIT];
}

const progressing: Reason = { stalls: false, retries: true, exit: EXIT.tryAgain };
/** A person corrects the spec or what it names. */
const badInput: Reason = { stalls: true, retries: true, exit: EXIT.usage };
/** A person corrects something else. */
const needsHelp: Reason = { stalls: true, retries: true, exit: EXIT.never };
/** As it is now, a passing fault; a person looks only if it stays. */
const passing: Reason = { stalls: true, retries: true, exit: EXIT.tryAgain };

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
  SpecInvalid: { stalls: true, retries: false, exit: EXIT.usage },
  PlanChanged: needsHelp,
  OutputTaken: needsHelp,
  SamplesExhausted: { stalls: true, retries: false, exit: EXIT.shortfall },
  AcceptanceTooLow: needsHelp,
  DeadlineExceeded: { stalls: true, retries: false, exit: EXIT.never },
  RoundsExhausted: { stalls: true, retries: false, exit: EXIT.never },
  BudgetSpent: { stalls: true, retries: false, exit: EXIT.never },
  Shortfall: { stalls: false, retries: false, exit: EXIT.shortfall },

  // What it names.
  ModelNotFound: badInput,
  ModelInvalid: needsHelp,
  InputNotFound: badInput,
  BucketNotFound: needsHelp,
  CredentialsMissing: needsHelp,
  CredentialsRejected: needsHelp,
  DatasetDamaged: needsHelp,
  ShardsMissing: progressing,
  StoreRefused: needsHelp,
  ConfigMissing: badInput,

  // The cluster and its services.
  StoreUnavailable: passing,
  QueueUnavailable: needsHelp,
  ClusterUnavailable: needsHelp,
  ImagePullFailed: needsHelp,
  PodsRefused: needsHelp,
  Unschedulable: needsHelp,
  NodeLost: passing,
  ProviderUnavailable: needsHelp,
  BatchTooLarge: needsHelp,
  EngineCrashed: passing,
  ShardUndeliverable: needsHelp,
  PodFailed: passing,
  CreateRefused: needsHelp,
  CleanupFailed: needsHelp,

  // Training.
  StageFailed: needsHelp,
  DataNotFound: badInput,
} as const satisfies Record<string, Reason>;

export type ReasonName = keyof typeof REASONS;

/** Seconds before a failed step is tried for the `round`th time again: 10, 20, 40, ... up to 5 minutes. */
export const retryDelay = (round: number): number => Math.min(300, 10 * 2 ** Math.max(0, round - 1));
