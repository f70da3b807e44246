import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Replica, startReplica } from '../../testbed/replica.ts';
import { peakMemory } from '../measure.ts';

/** The operator as a program under measurement. */

export interface OperatorProgram {
  readonly replica: Replica;
  /** Seconds of processor time since its start. */
  cpuSeconds(): Promise<number>;
  /** Peak of its resident memory in bytes. */
  peakMemory(): Promise<number>;
  /** The sum over all series of a metric whose labels match. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

const READY_MS = 30_000;
/** Clock ticks per second of Linux on every processor that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Starts the operator and waits until it leads and is ready. */
export async function startOperatorProgram(
  kubeconfig: string,
  natsUrl: string,
  more: Readonly<Record<string, string>> = {},
): Promise<OperatorProgram> {
  // As much heap as Node gives itself in a pod of the chart, whose limit is 512 MiB.
  const heap = { NODE_OPTIONS: '--max-old-space-size=256' };
  // A leader that other work holds up ends, and here no other follows it.
  const lease = { COHORTFARM_LEASE_SECONDS: '300' };
  const env = { COHORTFARM_LOG_LEVEL: 'info', ...heap, ...lease, ...more };
  const replica = startReplica({ kubeconfig, natsUrl, name: 'bench', env });
  const metric = async (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const [, text] = await replica.get('/metrics');
    return sumOf(text, name, labels);
  };
  for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
    const [status, body] = await replica.get('/readyz');
    if (status === 200 && (await metric('cohortfarm_leader')) === 1) break;
    if (Date.now() > deadline) throw new Error(`the operator is not ready: ${body}`);
  }
  return {
    replica,
    metric,
    cpuSeconds: async () => {
      const stat = await readFile(`/proc/${replica.process.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    peakMemory: () => peakMemory(replica.process.pid!),
  };
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return lines
    .filter((line) => wanted.every((pair) => line.includes(pair)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
