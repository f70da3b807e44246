import { Failure } from '../../contract/failure.ts';
import type { ReasonName } from '../../contract/reasons.ts';

/** Whether the same call, here or in a restarted process, may succeed later. */
export type StoreErrorKind = 'retryable' | 'terminal';

/**
 * Every failure of an object store. The message names the object, what happened and the fix, and holds no secret; `cause`
 * is what the file system or the S3 client reported, already stripped of secrets.
 */
export class StoreError extends Failure {
  override readonly name = 'StoreError';

  constructor(
    kind: StoreErrorKind,
    message: string,
    { reason, ...options }: { cause?: unknown; reason?: ReasonName | undefined } = {},
  ) {
    const retryable = kind === 'retryable';
    super(reason ?? (retryable ? 'StoreUnavailable' : 'StoreRefused'), message, { ...options, retryable });
  }
}
