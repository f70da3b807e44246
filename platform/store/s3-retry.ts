import { setTimeout as sleep } from 'node:timers/promises';

const MAX_TRIES = 6;
const FIRST_DELAY_MS = 50;

/**
 * Runs a conditional write again while the server answers that another one of the same name was in flight: the next try
 * either succeeds or finds the object there. Other failures pass through; the S3 client retries those by itself.
 */
export async function retryConflicts<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const isConflict = error instanceof Error && error.name === 'ConditionalRequestConflict';
      if (!isConflict || attempt === MAX_TRIES) throw error;
      await sleep(Math.random() * FIRST_DELAY_MS * 2 ** attempt);
    }
  }
}
