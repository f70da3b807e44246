import { Failure } from '../../contract/failure.ts';
import type { ReasonName } from '../../contract/reasons.ts';

/** Whether the same call, here or in a restarted process, may succeed later. */
export type StoreErrorKind = 'retryable' | 'terminal';

interface StoreErrorOptions {
  readonly cause?: unknown;
  readonly reason?: ReasonName | undefined;
  readonly isDamaged?: boolean;
}

/**
 * Every failure of an object store. The message names the object, what happened and the fix, and holds no secret; `cause`
 * is what the file system or the S3 client reported, already stripped of secrets.
 */
export class StoreError extends Failure {
  override readonly name = 'StoreError';
  /** Whether an object's bytes were, on every try, not those of the checksum that the store keeps of it. */
  readonly isDamaged: boolean;

  constructor(
    kind: StoreErrorKind,
    message: string,
    { reason, isDamaged = false, ...options }: StoreErrorOptions = {},
  ) {
    const retryable = kind === 'retryable';
    super(reason ?? (retryable ? 'StoreUnavailable' : 'StoreRefused'), message, { ...options, retryable });
    this.isDamaged = isDamaged;
  }
}
