/** Whether trying the same call again, here or in a restarted process, can help. */
export type StoreErrorKind = 'retryable' | 'terminal';

/**
 * Every failure of an object store. The message names the object, what happened and the fix, and holds no secret; `cause`
 * is what the file system or the S3 client reported, already stripped of secrets.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

/** True for a store failure that may pass by itself (a stopped server, throttling, a full disk). */
export function isRetryable(error: unknown): boolean {
  return error instanceof StoreError && error.kind === 'retryable';
}
