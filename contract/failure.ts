import { EXIT } from './names.ts';
import { REASONS, type ReasonName } from './reasons.ts';

/** The failures of every program here. The reason decides the rest: the condition, whether a retry can help, the exit code. */

export interface FailureOptions {
  readonly cause?: unknown;
  /** Whether the same call, here or in a restarted process, may succeed later. */
  readonly retryable?: boolean;
}

/** A foreseen failure. The message names the object or field, what is wrong and the fix, and holds no secret. */
export class Failure extends Error {
  override readonly name: string = 'Failure';
  readonly reason: ReasonName;
  readonly retryable: boolean;

  constructor(reason: ReasonName, message: string, options: FailureOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.reason = reason;
    this.retryable = options.retryable ?? REASONS[reason].exit === EXIT.tryAgain;
  }

  /** The exit code of a program that fails with it. */
  get exitCode(): number {
    return this.retryable ? EXIT.tryAgain : REASONS[this.reason].exit;
  }
}

/** Bad usage, or a setting that is missing: the message says what to write instead. */
export class UsageError extends Failure {
  override readonly name = 'UsageError';
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('ConfigMissing', message, options);
  }
}

/** Samples whose every attempt was rejected, which keep a dataset from being published while its spec says `onExhausted: Fail`. */
export class ExhaustedError extends Failure {
  override readonly name = 'ExhaustedError';
  constructor(message: string) {
    super('SamplesExhausted', message);
  }
}

/** The work was stopped on request, at a point from which it can resume. */
export class StoppedError extends Failure {
  override readonly name = 'StoppedError';
  constructor(message: string) {
    super('Retrying', message);
  }
}

/** A stored object or a queued shard belongs to another plan than ours. Nothing was changed. */
export function otherPlanFailure(
  place: string,
  found: { readonly planDigest: string; readonly dataset?: string },
  ours: { readonly digest: string; readonly name: string },
): Failure {
  const isOurs = found.dataset === undefined || found.dataset === ours.name;
  const whose = found.dataset === undefined ? '' : ` of dataset "${found.dataset}"`;
  return new Failure(
    isOurs ? 'PlanChanged' : 'OutputTaken',
    `${place} belongs to plan ${found.planDigest.slice(0, 12)}${whose}, and this spec makes plan ${ours.digest.slice(0, 12)}; ` +
      'nothing was changed: choose another output.uri, or restore the model, gate, CSV file or field that changed',
  );
}

/** True for a failure that may pass by itself: a stopped server, throttling, a full disk. */
export const isRetryable = (error: unknown): boolean => error instanceof Failure && error.retryable;

/** The reason of the condition that a failure leads to. */
export const reasonOf = (error: unknown): ReasonName => (error instanceof Failure ? error.reason : 'PodFailed');

/**
 * The exit code that reports a failure to a Job controller or a shell. What was not foreseen may be a passing fault; the
 * number of retries is bounded elsewhere.
 */
export const exitCodeOf = (error: unknown): number => (error instanceof Failure ? error.exitCode : EXIT.tryAgain);

/** A failure as people read it: a foreseen one by its message, any other with its stack. */
export function describeError(error: unknown): string {
  if (error instanceof Failure) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
