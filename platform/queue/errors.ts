import type { ReasonName } from '../../contract/reasons.ts';

/** Whether trying the same call again, here or in a restarted process, can help. */
export type QueueErrorKind = 'retryable' | 'terminal';

/** Every failure of the queue. The message names the server, what happened and the fix, and holds no credentials. */
export class QueueError extends Error {
  override readonly name = 'QueueError';
  readonly kind: QueueErrorKind;
  readonly reason: ReasonName;

  constructor(kind: QueueErrorKind, message: string, options: { cause?: unknown; reason?: ReasonName } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.kind = kind;
    this.reason = options.reason ?? 'QueueUnavailable';
  }
}
