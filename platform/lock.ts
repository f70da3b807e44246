import { mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * One process at a time, on any shared file system. A lock is a folder of numbered files, the highest of which counts; its
 * holder keeps touching it. One that is not touched any more is taken over by making the next number, which only one can.
 * A holder that was merely slow may then still be at work: what is done under a lock must bear being done twice.
 */

const TOUCH_MS = 2000;
/** A holder that has not touched its file for this long, by the clock of the waiting process, is dead. */
const STALE_MS = 20_000;
const POLL_MS = 300;

export interface LockTimes {
  readonly touchMs?: number;
  readonly staleMs?: number;
}

/**
 * Does something that one process does for all, or waits for the process that does it.
 * @param ready gives the result where it is there; not asked under the lock alone, so that many can look at a time
 */
export async function doOnce<T>(
  folder: string,
  ready: () => Promise<T | null>,
  action: () => Promise<T>,
  { touchMs = TOUCH_MS, staleMs = STALE_MS }: LockTimes = {},
): Promise<T> {
  await mkdir(folder, { recursive: true });
  for (;;) {
    const found = await ready();
    if (found !== null) return found;
    const own = await takeOrWait(folder, staleMs);
    if (own === null) continue;
    const file = join(folder, String(own));
    const touching = setInterval(() => {
      const now = new Date();
      // Gone when another process has taken the lock over.
      utimes(file, now, now).catch(() => undefined);
    }, touchMs);
    try {
      return (await ready()) ?? (await action());
    } finally {
      clearInterval(touching);
      await rm(file, { force: true });
    }
  }
}

/** Takes the lock unless a live process holds it. @returns our number; null once it has another holder, or none */
async function takeOrWait(folder: string, staleMs: number): Promise<number | null> {
  const holder = await highestIn(folder);
  let [touched, since] = [0n, performance.now()];
  while (holder !== 0 && performance.now() - since <= staleMs) {
    await sleep(Math.min(POLL_MS, staleMs / 2));
    if ((await highestIn(folder)) !== holder) return null;
    const now = (await stat(join(folder, String(holder)), { bigint: true }).catch(() => null))?.mtimeNs ?? 0n;
    if (now !== touched) [touched, since] = [now, performance.now()];
  }
  if (!(await makeNew(join(folder, String(holder + 1))))) return null;
  if (holder !== 0) await rm(join(folder, String(holder)), { force: true });
  return holder + 1;
}

async function highestIn(folder: string): Promise<number> {
  return Math.max(0, ...(await readdir(folder)).map((name) => (/^\d{1,9}$/.test(name) ? Number(name) : 0)));
}

/** @returns whether the file is ours: false when it was there */
async function makeNew(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
