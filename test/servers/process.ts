import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS = 20_000;
const STOP_MS = 5_000;

/** A server that this process started and alone may end. */
export interface ServerProcess {
  /** Ends it as an operator would, and waits. */
  stop(): Promise<void>;
  /** Ends it as a crash would, and waits. */
  kill(): Promise<void>;
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

/** What starts one server. */
export interface ServerStart {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Asks the server itself; a rejection counts as not ready. */
  isReady: () => Promise<boolean>;
}

/**
 * Starts a server and waits until `isReady` says so. The kernel ends it when this process ends, however that happens.
 * @throws Error with the server's output when it ends early or is not ready within 20 seconds
 */
export async function startServer({ command, args, env, isReady }: ServerStart): Promise<ServerProcess> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: env ?? process.env,
  });
  const output = tailOf(child);
  const end = once(child, 'exit').then(() => undefined);
  const server = { stop: () => endOf(child, end, 'SIGTERM'), kill: () => endOf(child, end, 'SIGKILL') };
  const deadline = Date.now() + READY_MS;
  while (!(await isReady().catch(() => false))) {
    if (hasEnded(child)) throw new Error(`${command} ended while starting:\n${output()}`);
    if (Date.now() > deadline) {
      await server.kill();
      throw new Error(`${command} was not ready within ${READY_MS} ms:\n${output()}`);
    }
    await sleep(20);
  }
  return server;
}

/** Starts a server on a port that was free a moment ago, on another one when somebody was faster. */
export async function startOnFreePort(
  start: (port: number) => ServerStart,
): Promise<{ port: number; server: ServerProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, server: await startServer(start(port)) };
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

async function endOf(child: ChildProcess, end: Promise<void>, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return;
  child.kill(signal);
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

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe has no port');
  return address.port;
}
