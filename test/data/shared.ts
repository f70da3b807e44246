import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Real data that tests read where it lies; it is not part of the project. */

export const FOLDER = process.env.COHORTFARM_DATA ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data');

/**
 * The bytes of a data file. Where it is missing, CI fails; a user gets a message, and null.
 * @param name path below the folder of data
 */
export function dataFile(name: string, t: TestContext): Uint8Array | null {
  try {
    return readFileSync(join(FOLDER, name));
  } catch (cause) {
    const message = `${name} is not in ${FOLDER}; set COHORTFARM_DATA to the folder that holds it`;
    if (process.env.CI) throw new Error(message, { cause });
    t.diagnostic(`not available, so not checked: ${message}`);
    return null;
  }
}
