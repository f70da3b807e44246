import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ENV } from '../../contract/cluster.ts';
import { type Outcome, parseOutcome } from '../../contract/schema/outcome.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { createLogger } from '../../platform/log.ts';
import { openQueueAdmin } from '../../platform/queue/admin.ts';
import type { QueueAdmin, QueueEvent } from '../../platform/queue/types.ts';
import { REPO } from '../support/cli.ts';
import { writeSmallDemo } from '../support/demo.ts';

/** Pods as processes, and as much of an operator as they need. */

export type Role = 'work' | 'publish' | 'cleanup';

export interface PodEnd {
  readonly code: number | null;
  readonly outcome: Outcome | null;
  readonly log: string;
}

export interface Pod {
  readonly process: ChildProcess;
  readonly end: Promise<PodEnd>;
  /** Lines of the log so far. */
  lines(): { msg: string; shard?: number }[];
}

let pods = 0;

/** Starts `node worker/pod/main.ts ROLE`. The kernel ends it with this process. */
export function startPod(role: Role, dir: string, env: NodeJS.ProcessEnv): Pod {
  const name = `pod-${++pods}`;
  const outcomeFile = join(dir, `${name}.outcome`);
  const program = ['--pdeathsig', 'KILL', process.execPath, 'worker/pod/main.ts', role];
  const child = spawn('setpriv', program, {
    cwd: REPO,
    env: { PATH: process.env.PATH, [ENV.podName]: name, [ENV.outcomeFile]: outcomeFile, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  const end = once(child, 'close').then(async ([code]) => {
    const text = await readFile(outcomeFile, 'utf8').catch(() => undefined);
    return { code: code as number | null, outcome: parseOutcome(text), log };
  });
  const lines = () => log.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
  return { process: child, end, lines };
}

export const runPod = (role: Role, dir: string, env: NodeJS.ProcessEnv): Promise<PodEnd> =>
  startPod(role, dir, env).end;

/** Writes the small demo as its pods read it. @returns its path */
export async function writeResource(
  dir: string,
  name: string,
  change: (spec: SyntheticDataset['spec']) => void,
): Promise<string> {
  // One gate: with all four, so few steps mean many attempts.
  const demo = await writeSmallDemo(dir, (spec) => {
    spec.quality.gates = spec.quality.gates.slice(0, 1);
    spec.model.sampling.steps = 4;
    change(spec);
  });
  const document = parse(await readFile(demo, 'utf8'));
  const file = join(dir, `${name}.json`);
  await writeFile(file, JSON.stringify({ ...document, metadata: { ...document.metadata, name } }));
  return file;
}

/** Makes streams and fills them for each plan that is announced. */
export interface SmallOperator {
  readonly admin: QueueAdmin;
  readonly events: QueueEvent[];
  stop(): Promise<void>;
}

export function startOperator(url: string, ackWaitMs: number): SmallOperator {
  const log = createLogger({ name: 'test', level: 'silent' });
  const admin = openQueueAdmin({ url, log, limits: { ackWaitMs } });
  const events: QueueEvent[] = [];
  const watch = admin.watchProgress((event) => {
    events.push(event);
    if (event.kind !== 'plan') return;
    const shards = Array.from({ length: event.event.shards }, (_, i) => i);
    admin.fill(event.uid, event.event.planDigest, shards).catch(() => {}); // Another test's stream may be gone.
  });
  return {
    admin,
    events,
    async stop() {
      await watch.close();
      await admin.close();
    },
  };
}
