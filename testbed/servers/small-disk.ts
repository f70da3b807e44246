import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverFolder } from './process.ts';

/**
 * A real file system that is small enough to be filled: a tmpfs in a mount namespace of its own, which ends with this process.
 * Needs root.
 */
export interface SmallDisk {
  /** The mount point, for programs that are started with `prefix`. */
  readonly path: string;
  /** The same folder, as this process reaches it. */
  readonly outside: string;
  /** Begins the command of a program that sees the disk. */
  readonly prefix: readonly string[];
  /** Takes all space that is left, and whatever becomes free, until `release`. */
  fill(): Promise<void>;
  release(): Promise<void>;
  stop(): Promise<void>;
}

const FILLER = 'filler';
const CHUNK = Buffer.alloc(2 ** 20);
const REFILL_MS = 20;

export async function startSmallDisk(megabytes: number): Promise<SmallDisk> {
  const path = await serverFolder('disk');
  const mount = `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && echo ready && exec sleep infinity`;
  const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mount, path];
  const holder = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit').then(() => null)]);
  if (!ready) throw new Error(`no tmpfs of ${megabytes} MB can be mounted on ${path}`);
  const outside = `/proc/${holder.pid}/root${path}`;
  const filler = join(outside, FILLER);
  let isFull = false;
  let filling = Promise.resolve();
  const keepFull = async (): Promise<void> => {
    for (; isFull; await sleep(REFILL_MS)) await fillUp(filler);
  };
  return {
    path,
    outside,
    prefix: ['nsenter', '--target', String(holder.pid), '--mount'],
    async fill() {
      await fillUp(filler);
      isFull = true;
      filling = keepFull();
    },
    async release() {
      isFull = false;
      await filling;
      await rm(filler, { force: true });
    },
    async stop() {
      isFull = false;
      await filling;
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Appends until nothing more fits, not even a byte. */
async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'a');
  try {
    for (let size = CHUNK.length; size >= 1; ) {
      const written = await file.write(CHUNK, 0, size).then(
        ({ bytesWritten }) => bytesWritten,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOSPC') return 0;
          throw error;
        },
      );
      if (written < size) size = Math.floor(size / 2);
    }
  } finally {
    await file.close();
  }
}
