import type { ReasonName } from '../../contract/reasons.ts';

/** Whether trying the same call again, here or in a restarted process, can help. */
export type StoreErrorKind = 'retryable' | 'terminal';

/**
 * Every failure of an object store. The message names the object, what happened and the fix, and holds no secret; `cause`
 * is what the file system or the S3 client reported, already stripped of secrets.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;
  /** Of the condition that tells of it. */
  readonly reason: ReasonName;

  constructor(
    kind: StoreErrorKind,
    message: string,
    options: { cause?: unknown; reason?: ReasonName | undefined } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.kind = kind;
    this.reason = options.reason ?? (kind === 'retryable' ? 'StoreUnavailable' : 'StoreRefused');
  }
}

/** True for a store failure that may pass by itself (a stopped server, throttling, a full disk). */
export function isRetryable(error: unknown): boolean {
  return error instanceof StoreError && error.kind === 'retryable';
}
