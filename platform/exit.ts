import { ExhaustedError, StoppedError, TerminalError, UsageError } from '../contract/errors.ts';
import { EXIT } from '../contract/names.ts';
import { SpecError } from '../contract/schema/issue.ts';
import { QueueError } from './queue/errors.ts';
import { isRetryable, StoreError } from './store/store.ts';

/** The exit code that tells a Job controller, or a shell, what a failure means. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof SpecError || error instanceof UsageError) return EXIT.usage;
  if (error instanceof ExhaustedError) return EXIT.shortfall;
  if (error instanceof StoppedError || isRetryable(error)) return EXIT.tryAgain;
  if (error instanceof QueueError) return error.kind === 'retryable' ? EXIT.tryAgain : EXIT.never;
  if (error instanceof TerminalError || error instanceof StoreError) return EXIT.never;
  // What nobody foresaw may be a passing fault; the number of retries is bounded elsewhere.
  return EXIT.tryAgain;
}

/** A failure as people read it: our own errors by their message, others with their stack. */
export function describeError(error: unknown): string {
  const known = [SpecError, UsageError, ExhaustedError, StoppedError, TerminalError, StoreError, QueueError].some(
    (kind) => error instanceof kind,
  );
  if (error instanceof Error) return known ? error.message : (error.stack ?? error.message);
  return String(error);
}
