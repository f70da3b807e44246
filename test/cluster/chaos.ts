import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition } from '../../contract/schema/status.ts';
import { BUCKET, isReady, type Rig, rigDataset, statusOf } from '../../testbed/rig.ts';
import { damagePart } from '../chaos/damage.ts';
import { pick, randomOf, waitOf } from '../chaos/random.ts';

/**
 * Seeded chaos: whatever runs is killed at random moments while a dataset grows; the disk of the S3 server fills up, a stored part
 * is damaged, a node fails every pod, and the API server answers the operators with 429 and 500.
 */

export const FAULTS = ['worker', 'operator', 'nats', 's3', 'apiServer', 'disk', 'part', 'node', 'apiErrors'] as const;
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
  /** Nodes that fail every pod now. */
  readonly badNodes: Set<string>;
  /** Seconds for which the API server answers the operators with 429 and 500 once workers run, beside all else. */
  readonly apiErrors: number;
}

/**
 * Applies the dataset `chaos-SEED`, kills as the seed says, and waits until it is Ready.
 * @throws Error that says what the dataset was doing when patience ended
 */
export async function runChaos(rig: Rig, options: ChaosOptions): Promise<ChaosRun> {
  const { seed, kills, pause, patience, badNodes, apiErrors } = options;
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
  const possible = FAULTS.filter((fault) => apiErrors === 0 || fault !== 'apiErrors');
  let refusing: Promise<true> | null = null;
  try {
    while (faults.length < kills) {
      await sleep(waitOf(pause, random));
      if (story.at(-1) === 'Complete') break;
      if (apiErrors > 0 && story.at(-1) === 'Generating') refusing ??= refuseFor(rig, 1000 * apiErrors);
      const fault = pick(possible, random)!;
      if (await strike({ rig, name, random, badNodes }, fault)) faults.push(fault);
    }
    if (await refusing) faults.push('apiErrors');
    while (story.at(-1) !== 'Complete') {
      if (seconds() > patience) {
        const status = JSON.stringify(await statusOf(rig, name));
        throw new Error(`seed ${seed} is not Ready after ${faults.join(', ')}: ${status}`);
      }
      await sleep(250);
    }
  } finally {
    watch.abort();
    await Promise.all([watching, refusing]);
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

interface Situation extends Pick<ChaosOptions, 'badNodes'> {
  readonly rig: Rig;
  readonly name: string;
  readonly random: () => number;
}

/** @returns false where there was nothing to strike */
async function strike({ rig, name, random, badNodes }: Situation, fault: Fault): Promise<boolean> {
  const away = 200 + 1500 * random();
  switch (fault) {
    case 'worker': {
      const pods = rig.kubelet
        .running()
        .filter((pod) => pod.startsWith(`${name}-`))
        .sort();
      const pod = pick(pods, random);
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
    case 'disk':
      return during(
        away,
        () => rig.disk!.fill(),
        () => rig.disk!.release(),
      );
    case 'part':
      return (await damagePart(join(rig.s3.files, BUCKET, name), random)) !== null;
    case 'node':
      return during(
        3 * away,
        () => badNodes.add('node-b'),
        () => badNodes.clear(),
      );
    case 'apiErrors':
      return refuseFor(rig, 4 * away);
  }
}

const refuseFor = ({ refusingProxy }: Rig, ms: number): Promise<true> =>
  during(
    ms,
    () => refusingProxy!.refuse(),
    () => refusingProxy!.heal(),
  );

async function during(ms: number, begin: () => unknown, end: () => unknown): Promise<true> {
  await begin();
  await sleep(ms);
  await end();
  return true;
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
