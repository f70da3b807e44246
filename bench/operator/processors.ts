import { readdir, readFile } from 'node:fs/promises';

/** Processor time by program: where a run's time goes, and how much of the machine other work has taken. */

/** Seconds of processor time by program; `others` is all that this process has not started. */
export type Processors = Readonly<Record<string, number>>;

/** Clock ticks per second of Linux on every processor that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Node names its main thread so; the operator is the only such program that benchmarks start. */
const NODE_NAME = 'MainThread';

/** Seconds so far of this process, of each program that it has started, and of all others. */
export async function processorTime(): Promise<Processors> {
  const [all, processes] = await Promise.all([busyTime(), listProcesses()]);
  const byId = new Map(processes.map((one) => [one.id, one]));
  const isOurs = (id: number): boolean => {
    if (id === process.pid) return true;
    const parent = byId.get(id)?.parent;
    return parent !== undefined && parent > 1 && isOurs(parent);
  };
  const seconds: Record<string, number> = {};
  for (const { id, name, spent } of processes) {
    if (!isOurs(id)) continue;
    const key = id === process.pid ? 'client' : name === NODE_NAME ? 'operator' : name.replace(/-(v[\d.]*)?$/, '');
    seconds[key] = (seconds[key] ?? 0) + spent;
  }
  const ours = Object.values(seconds).reduce((sum, one) => sum + one, 0);
  return { ...seconds, others: all - ours };
}

/** The seconds between two readings. */
export const spentBetween = (before: Processors, after: Processors): Processors =>
  Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));

/** Seconds that all processors were busy, whatever ran on them. */
async function busyTime(): Promise<number> {
  const [total = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = total.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

interface Process {
  readonly id: number;
  readonly parent: number;
  readonly name: string;
  readonly spent: number;
}

async function listProcesses(): Promise<Process[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return (await Promise.all(ids.map(readProcess))).filter((one) => one !== null);
}

/** Null for one that has ended meanwhile. */
async function readProcess(id: number): Promise<Process | null> {
  const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => null);
  if (stat === null) return null;
  const [open, close] = [stat.indexOf('('), stat.lastIndexOf(')')];
  const fields = stat.slice(close + 2).split(' ');
  const spent = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return { id, parent: Number(fields[1]), name: stat.slice(open + 1, close), spent };
}
