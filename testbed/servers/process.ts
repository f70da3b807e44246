import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS = 60_000;
const STOP_MS = 5_000;

/** A server that this process started and alone may end. */
export interface ServerProcess {
  /** Ends it as an operator would, and waits. */
  stop(): Promise<void>;
  /** Ends it as a crash would, and waits. */
  kill(): Promise<void>;
  /** Starts it again as it was started, with a `kill` before if it still runs, and waits until it is ready. */
  restart(): Promise<void>;
  /** Keeps it from running until `resume`: its connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/**
 * A temporary folder for one server. Folders of processes that are gone are removed first, so that what a killed test run
 * left does not add up. The name holds the process id and its PID namespace, where alone that id means something.
 */
export async function serverFolder(name: string): Promise<string> {
  const namespace = (await readlink('/proc/self/ns/pid')).replace(/\D/g, '');
  const prefix = `cohortfarm-server-${namespace}-`;
  for (const entry of await readdir(tmpdir())) {
    const owner = entry.startsWith(prefix) ? Number(entry.slice(prefix.length).split('-')[0]) : undefined;
    if (owner !== undefined && !isAlive(owner)) await rm(join(tmpdir(), entry), { recursive: true, force: true });
  }
  return mkdtemp(join(tmpdir(), `${prefix}${process.pid}-${name}-`));
}

/** The command of one server. */
export interface ServerStart {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Asks the server itself; a rejection counts as not ready. */
  isReady: () => Promise<boolean>;
}

/**
 * Starts a server and waits until `isReady` says so. The kernel ends it when this process ends, however that happens.
 * @throws Error with the server's output when it ends early or is not ready within a minute
 */
export async function startServer(start: ServerStart): Promise<ServerProcess> {
  let child = await readyChild(start);
  return {
    stop: () => endOf(child, 'SIGTERM'),
    kill: () => endOf(child, 'SIGKILL'),
    restart: async () => {
      await endOf(child, 'SIGKILL');
      child = await unlessTaken(() => readyChild(start));
    },
    pause: async () => void child.kill('SIGSTOP'),
    resume: async () => void child.kill('SIGCONT'),
  };
}

async function readyChild({ command, args, env, isReady }: ServerStart): Promise<ChildProcess> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: env ?? process.env,
  });
  const output = tailOf(child);
  const deadline = Date.now() + READY_MS;
  while (!(await isReady().catch(() => false))) {
    if (hasEnded(child)) throw new Error(`${command} ended while starting:\n${output()}`);
    if (Date.now() > deadline) {
      await endOf(child, 'SIGKILL');
      throw new Error(`${command} was not ready within ${READY_MS} ms:\n${output()}`);
    }
    await sleep(20);
  }
  return child;
}

/** Starts a server on a port that was free a moment ago, on another one when another process was faster. */
export async function startOnFreePort(
  start: (port: number) => ServerStart,
): Promise<{ port: number; server: ServerProcess }> {
  return unlessTaken(async () => {
    const port = await freePort();
    return { port, server: await startServer(start(port)) };
  });
}

/** Retries when another process has the port: for a new port at once, for a known one until it is free. */
async function unlessTaken<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
      await sleep(100 * attempt);
    }
  }
}

async function endOf(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return;
  const end = once(child, 'exit');
  child.kill(signal);
  // A paused process reacts to no other signal.
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await end;
  clearTimeout(timer);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The last output of a child, for an error message. Reading it also keeps the pipes from filling. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
    });
  }
  return () => tail;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe has no port');
  return address.port;
}
