import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition } from '../../contract/schema/status.ts';
import { isReady, type Rig, rigDataset, statusOf } from '../../testbed/rig.ts';

/** Seeded chaos: whatever runs is killed at random moments while a dataset grows. */

export const FAULTS = ['worker', 'operator', 'nats', 's3', 'apiServer'] as const;
export type Fault = (typeof FAULTS)[number];

export interface ChaosRun {
  readonly seed: number;
  /** The kills, in order. */
  readonly faults: readonly Fault[];
  /** Conditions that Ready went through, in order, without repetitions. */
  readonly story: readonly string[];
  readonly seconds: number;
}

export interface ChaosOptions {
  readonly seed: number;
  /** Kills before the run is left alone. */
  readonly kills: number;
  /** Mean seconds between two kills. */
  readonly pause: number;
  /** Seconds until it must be Ready. */
  readonly patience: number;
}

/** Numbers in [0, 1) that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Applies the dataset `chaos-SEED`, kills as the seed says, and waits until it is Ready.
 * @throws Error that says what the dataset was doing when patience ended
 */
export async function runChaos(rig: Rig, options: ChaosOptions): Promise<ChaosRun> {
  const { seed, kills, pause, patience } = options;
  const random = randomOf(seed);
  const name = `chaos-${seed}`;
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  await rig.plane.apply(
    await rigDataset(rig, name, (dataset) => {
      // One plan for all seeds: the shards of every run are those of one quiet run.
      dataset.spec.workers.replicas = 3;
    }),
  );
  const faults: Fault[] = [];
  const story: string[] = [];
  const watch = new AbortController();
  const watching = follow(rig, name, story, watch.signal);
  try {
    while (faults.length < kills) {
      await sleep(1000 * pause * -Math.log(1 - random()));
      if (story.at(-1) === 'Complete') break;
      const fault = FAULTS[Math.floor(random() * FAULTS.length)]!;
      if (await strike(rig, name, fault, random)) faults.push(fault);
    }
    while (story.at(-1) !== 'Complete') {
      if (seconds() > patience) {
        const status = JSON.stringify(await statusOf(rig, name));
        throw new Error(`seed ${seed} is not Ready after ${faults.join(', ')}: ${status}`);
      }
      await sleep(250);
    }
  } finally {
    watch.abort();
    await watching;
  }
  return { seed, faults, story, seconds: seconds() };
}

async function follow(rig: Rig, name: string, story: string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const status = await statusOf(rig, name).catch(() => null);
    const ready: Condition | undefined = status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready && ready.reason !== story.at(-1)) story.push(ready.reason);
    if (ready && isReady(ready)) return;
    await sleep(200);
  }
}

/** @returns false where there was nothing to kill */
async function strike(rig: Rig, name: string, fault: Fault, random: () => number): Promise<boolean> {
  const away = 200 + 1500 * random();
  switch (fault) {
    case 'worker': {
      const pods = rig.kubelet
        .running()
        .filter((pod) => pod.startsWith(`${name}-`))
        .sort();
      const pod = pods[Math.floor(random() * pods.length)];
      if (pod === undefined) return false;
      rig.kubelet.kill(pod);
      return true;
    }
    case 'operator': {
      const index = await leaderOf(rig);
      await rig.operators[index]!.end('SIGKILL');
      return true;
    }
    case 'nats':
      return outage(rig.nats, away);
    case 's3':
      return outage(rig.s3, away);
    case 'apiServer':
      return outage(rig.plane.apiServer, away);
  }
}

async function outage(server: { kill(): Promise<void>; restart(): Promise<void> }, ms: number): Promise<true> {
  await server.kill();
  await sleep(ms);
  await server.restart();
  return true;
}

/** The replica that leads; the first while none is known to. */
async function leaderOf({ operators }: Rig): Promise<number> {
  const leads = await Promise.all(
    operators.map((operator) =>
      operator.get('/metrics').then(
        ([, text]) => /^cohortfarm_leader 1$/m.test(text),
        () => false,
      ),
    ),
  );
  return Math.max(0, leads.indexOf(true));
}
