import { Failure } from '../../contract/failure.ts';
import type { ReasonName } from '../../contract/reasons.ts';

/** Whether the same call, here or in a restarted process, may succeed later. */
export type QueueErrorKind = 'retryable' | 'terminal';

/** Every failure of the queue. The message names the server, what happened and the fix, and holds no credentials. */
export class QueueError extends Failure {
  override readonly name = 'QueueError';

  constructor(
    kind: QueueErrorKind,
    message: string,
    { reason, ...options }: { cause?: unknown; reason?: ReasonName } = {},
  ) {
    super(reason ?? 'QueueUnavailable', message, { ...options, retryable: kind === 'retryable' });
  }
}
