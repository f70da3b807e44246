import { setTimeout as sleep } from 'node:timers/promises';

const MAX_TRIES = 6;
const FIRST_DELAY_MS = 50;

/** The connection was cut, or the bytes were damaged, after the S3 client had handed over the answer. */
export class BrokenBodyError extends Error {
  override readonly name = 'BrokenBodyError';
}

/** Refusals that pass, which the S3 client does not retry by itself. */
const PASSING: ReadonlySet<string> = new Set([
  // Another write of that name was in flight, or the answer to the end of an upload was lost: the next try succeeds, or
  // finds the object there.
  'ConditionalRequestConflict',
  'OperationAborted',
  'NoSuchUpload',
  'InvalidPart',
  // The server received other bytes than were sent.
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  // A gateway on a file system was just removing the folder that a new object needs; an object whose name is really a folder
  // is refused in the end.
  'ExistingObjectIsDirectory',
]);

const REQUEST_TIMEOUT = 408;

/** Runs a request again after what the S3 client does not retry by itself: passing refusals, and a broken off answer. */
export async function retryBriefly<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!isWorthRetrying(error) || attempt === MAX_TRIES) throw error;
      await sleep(Math.random() * FIRST_DELAY_MS * 2 ** attempt);
    }
  }
}

function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return error instanceof BrokenBodyError || PASSING.has(error.name) || $metadata?.httpStatusCode === REQUEST_TIMEOUT;
}
