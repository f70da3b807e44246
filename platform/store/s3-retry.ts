import { setTimeout as sleep } from 'node:timers/promises';

const MAX_TRIES = 6;
const FIRST_DELAY_MS = 50;

/** The connection was cut, or the bytes were damaged, after the S3 client had handed over the answer. */
export class BrokenBodyError extends Error {
  override readonly name = 'BrokenBodyError';
}

/**
 * Refusals that pass. The first two: another conditional write of that name was in flight, or the answer to the end of an
 * upload was lost, so the next try either succeeds or finds the object there. The third: a gateway on a file system was just
 * removing the folder that a new object needs; an object whose name is really a folder is refused in the end.
 */
const PASSING_CONFLICTS: readonly string[] = [
  'ConditionalRequestConflict',
  'NoSuchUpload',
  'ExistingObjectIsDirectory',
];

/** Runs a request again after what the S3 client does not retry by itself: passing conflicts, and a broken off answer. */
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
  return error instanceof BrokenBodyError || (error instanceof Error && PASSING_CONFLICTS.includes(error.name));
}
