import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** Measuring fairly on a noisy machine: everything that is compared runs in turn, and medians are compared. */

export interface Contender {
  readonly name: string;
  /** Does the work once; resolves to the seconds that it took. */
  run(): Promise<number>;
}

export interface Measured {
  readonly name: string;
  /** Seconds, one per round. */
  readonly seconds: readonly number[];
}

/** Runs all contenders in turn, `rounds` times, after a round that does not count. */
export async function interleave(contenders: readonly Contender[], rounds: number): Promise<Measured[]> {
  const results = contenders.map(({ name }) => ({ name, seconds: [] as number[] }));
  for (let round = -1; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const seconds = await contender.run();
      if (round >= 0) results[i]!.seconds.push(seconds);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The speed of `ours` relative to its peer: the median over rounds of the ratio within the round. */
export const speedup = (ours: Measured, peer: Measured): number =>
  median(ours.seconds.map((seconds, round) => peer.seconds[round]! / seconds));

/** Seconds that an asynchronous action takes. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await action();
  return (performance.now() - begin) / 1000;
}

interface PeerAnswer {
  readonly seconds: number;
  /** Share of the time that was spent waiting for data, where a peer measures that. */
  readonly waiting?: number;
}

/** A process that answers one JSON line per request. */
export interface Peer {
  readonly pid: number;
  ask(request: unknown): Promise<PeerAnswer>;
  end(): void;
}

export async function startPeer(command: string, args: readonly string[]): Promise<Peer> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const answer = async (): Promise<PeerAnswer> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(' ')} ended`);
    return JSON.parse(value);
  };
  await answer();
  return {
    pid: child.pid!,
    ask(request) {
      child.stdin!.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    end: () => child.kill(),
  };
}

/** Most memory that a process ever held, in bytes. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]);
}
