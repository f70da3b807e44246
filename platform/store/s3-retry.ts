import { setTimeout as sleep } from 'node:timers/promises';

const MAX_TRIES = 6;
const FIRST_DELAY_MS = 50;

/** The connection was cut, or the bytes were damaged, after the S3 client had handed over the answer. */
export class BrokenBodyError extends Error {
  override readonly name = 'BrokenBodyError';
}

/**
 * Runs a request again after what the S3 client does not retry by itself: an answer that broke off, and a conditional write
 * that met another one of the same name in flight (the next try either succeeds or finds the object there).
 */
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
  return error instanceof BrokenBodyError || (error instanceof Error && error.name === 'ConditionalRequestConflict');
}
