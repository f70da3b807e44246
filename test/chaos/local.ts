import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../contract/names.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { type SmallDisk, startSmallDisk } from '../../testbed/servers/small-disk.ts';
import { REPO } from '../support/cli.ts';
import { damagePart } from './damage.ts';
import type { GrowerOptions } from './grower.ts';
import { pick, randomOf, waitOf } from './random.ts';

/**
 * Two growers on a small disk, or with an S3 server that stands on one, while a seed decides what is killed, filled up and
 * damaged. A grower that ends is started again until it completes, as a Job does with a pod.
 */

const FAULTS = ['grower', 'disk', 'part', 'part', 's3'] as const;
type Fault = (typeof FAULTS)[number];

export interface LocalRun {
  readonly faults: readonly string[];
  /** The end of each grower: its exit code, or the signal. */
  readonly ends: readonly (number | string)[];
  readonly seconds: number;
  readonly store: ObjectStore;
  stop(): Promise<void>;
}

const GROWERS = 2;
const MEGABYTES = 24;
const MOST_FAULTS = 12;
const MEAN_PAUSE_SECONDS = 0.4;
/** A run may be over in three seconds: so many faults come within it, each no later than this after the last. */
const [LEAST_FAULTS, MOST_FIRST_MS] = [2, 500];
const PATIENCE_MS = 120_000;
const BUCKET = 'cohorts';

interface Place {
  readonly disk: SmallDisk;
  readonly s3: S3Server | null;
  /** As the growers reach it, and as this process does. */
  readonly uri: string;
  readonly store: ObjectStore;
  /** The objects as files. */
  readonly folder: string;
}

async function startPlace(onS3: boolean): Promise<Place> {
  const disk = await startSmallDisk(MEGABYTES);
  if (!onS3) {
    const folder = join(disk.outside, 'out');
    return { disk, s3: null, uri: join(disk.path, 'out'), store: openStore(folder), folder };
  }
  const s3 = await startS3Server({ disk });
  await s3.createBucket(BUCKET);
  const uri = `s3://${BUCKET}/out`;
  return { disk, s3, uri, store: openStore(uri, s3.options), folder: join(s3.files, BUCKET, 'out') };
}

/**
 * Grows the dataset through all faults of the seed.
 * @throws Error with what a grower said that will never work, or with what the last one said when patience ends
 */
export async function runLocal({ seed, onS3 }: { seed: number; onS3: boolean }): Promise<LocalRun> {
  const random = randomOf(seed);
  const begun = performance.now();
  const place = await startPlace(onS3);
  const stop = async () => {
    await place.s3?.stop();
    await place.disk.stop();
  };
  const situation: Situation = { place, growers: new Set(), random };
  const [ends, faults]: [(number | string)[], Fault[]] = [[], []];
  const keepGrowing = async (index: number): Promise<void> => {
    for (;;) {
      const { code, says } = await endOf(startGrower(place, 5 * index), situation.growers);
      ends.push(code);
      if (code === EXIT.done) return;
      const history = `seed ${seed}: after ${faults.join(' ')} a grower ended with ${code}: ${says}`;
      if (code !== EXIT.tryAgain && code !== 'SIGKILL') throw new Error(history);
      if (performance.now() - begun > PATIENCE_MS) throw new Error(`${history}; no time is left`);
    }
  };
  let done = false;
  const striking = (async () => {
    while (!done && faults.length < MOST_FAULTS) {
      const wait = waitOf(MEAN_PAUSE_SECONDS, random);
      await sleep(faults.length < LEAST_FAULTS ? Math.min(wait, MOST_FIRST_MS) : wait);
      const fault = pick(FAULTS, random)!;
      if (!done && (await strike(fault, situation))) faults.push(fault);
    }
  })();
  try {
    await Promise.all(Array.from({ length: GROWERS }, (_, index) => keepGrowing(index)));
  } catch (error) {
    await stop();
    throw error;
  } finally {
    done = true;
    await striking;
  }
  return { faults, ends, seconds: (performance.now() - begun) / 1000, store: place.store, stop };
}

interface Situation {
  readonly place: Place;
  readonly growers: Set<ChildProcess>;
  readonly random: () => number;
}

/** @returns false where there was nothing to strike */
async function strike(fault: Fault, { place, growers, random }: Situation): Promise<boolean> {
  const ms = 50 + 800 * random();
  const { disk, s3 } = place;
  switch (fault) {
    case 'grower':
      return pick([...growers], random)?.kill('SIGKILL') ?? false;
    case 'disk':
      await disk.fill();
      await sleep(ms);
      await disk.release();
      return true;
    case 'part':
      return (await damagePart(place.folder, random)) !== null;
    case 's3':
      if (!s3) return false;
      await s3.kill();
      await sleep(ms);
      await s3.restart();
      return true;
  }
}

/** Starts a grower where the disk is seen. It does not outlive this process. */
function startGrower({ disk, s3, uri }: Place, first: number): ChildProcess {
  const options: GrowerOptions = { uri, store: s3?.options ?? {}, first };
  const program = [process.execPath, join(REPO, 'test/chaos/grower.ts'), JSON.stringify(options)];
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...disk.prefix, ...program], { stdio: ['ignore', 'ignore', 'pipe'] });
}

async function endOf(
  child: ChildProcess,
  growers: Set<ChildProcess>,
): Promise<{ code: number | string; says: string }> {
  growers.add(child);
  const [says, [code, signal]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  growers.delete(child);
  return { code: code ?? signal, says };
}
