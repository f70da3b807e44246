import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/** Runs a command as a container would: a file system, processes and signals of its own, on this machine's kernel. */

const DIES_WITH_PARENT = ['--pdeathsig', 'KILL'];

/** A shell whose one child is process 1 of the container, and which ends as that one does (unshare --fork can't say 137). */
const PARENT = [
  'unshare',
  '--mount',
  '--pid',
  'sh',
  '-c',
  'exec 4>&2 2>/dev/null; (exec setpriv --pdeathsig KILL sh -c "$@" 2>&4 4>&-); exit $?',
  'sh',
];

/** A file or folder of this machine at a place of the container. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** An empty folder, where the container's root is put together. */
  readonly root: string;
  readonly mounts: readonly Mount[];
  readonly readOnlyRoot: boolean;
  /** User and group; root's where absent. */
  readonly user: number | undefined;
  readonly group: number | undefined;
  /** File that what it prints is appended to. */
  readonly log: string;
}

export interface Process {
  /** Resolves when it has ended and nothing of it is left. */
  readonly end: Promise<{ readonly exitCode: number; readonly signal?: number }>;
  /** Sends a signal to its first process, which gets it only if it asked for it, as in any container. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

/**
 * Starts it; resolves when its own program runs. It ends with this process, however that happens.
 * @throws Error with the output when it can't be started
 */
export async function launch(options: Launch): Promise<Process> {
  const log = await open(options.log, 'a');
  const child = spawn('setpriv', [...DIES_WITH_PARENT, ...PARENT, script(options), 'sh', ...options.command], {
    stdio: ['ignore', log.fd, log.fd, 'pipe'],
  });
  const end = once(child, 'exit').then(([code]) => endOf(code));
  try {
    if (!(await saysAnything(child.stdio[3] as Readable))) {
      throw new Error((await readFile(options.log, 'utf8')).slice(-1000));
    }
  } finally {
    await log.close();
  }
  const first = await firstProcess(child);
  return { end, signal: (name) => first !== null && child.exitCode === null && kill(first, name) };
}

/** Whether anything comes before the end: a short program can be over before its start is seen. */
function saysAnything(stream: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    stream.once('data', () => resolve(true));
    stream.once('close', () => resolve(false));
  });
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself a moment ago.
  }
}

/** A shell exits with 128 and the signal's number when a signal killed its child. */
function endOf(code: number | null): { exitCode: number; signal?: number } {
  const exitCode = code ?? 137;
  return exitCode > 128 ? { exitCode, signal: exitCode - 128 } : { exitCode };
}

/** The container's process 1, as this machine numbers it; null when it has ended already. */
async function firstProcess({ pid }: ChildProcess): Promise<number | null> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return Number(children.split(' ')[0]) || null;
}

/** Folders of this machine that replace those of an image; links among them stay links. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const ETC = [
  'alternatives',
  'group',
  'hosts',
  'ld.so.cache',
  'localtime',
  'nsswitch.conf',
  'passwd',
  'resolv.conf',
  'ssl',
];
const DEVICES = ['full', 'null', 'random', 'urandom', 'zero'];

/** A shell program that puts the root together, goes there, and becomes the command that it is given. */
function script({ root, mounts, readOnlyRoot, user, group, env, workingDir }: Launch): string {
  const identity = [
    ...(group === undefined ? [] : [`--regid=${group}`, '--clear-groups']),
    ...(user === undefined ? [] : [`--reuid=${user}`]),
  ];
  const variables = Object.entries(env).map(([name, value]) => quote(`${name}=${value}`));
  return `
    set -e
    R=${quote(root)}
    put() { # source target options
      if [ -d "$1" ]; then mkdir -p "$R$2"; else mkdir -p "$(dirname "$R$2")"; [ -e "$R$2" ] || touch "$R$2"; fi
      mount --rbind "$1" "$R$2"
      if [ -n "$3" ]; then mount -o "remount,bind,$3" "$R$2"; fi
    }
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs "$R"
    for d in ${SYSTEM.join(' ')}; do
      if [ -L "$d" ]; then cp -P "$d" "$R$d"; elif [ -d "$d" ]; then put "$d" "$d" ro; fi
    done
    for f in ${ETC.join(' ')}; do [ ! -e "/etc/$f" ] || put "/etc/$f" "/etc/$f" ro; done
    for d in ${DEVICES.join(' ')}; do put "/dev/$d" "/dev/$d"; done
    mkdir -p "$R/proc" "$R/root" "$R/var" "$R/run"
    mkdir -m 1777 "$R/tmp" "$R/dev/shm"
    mount -t proc proc "$R/proc"
    put /sys /sys
    ${mounts.map(({ source, target, readOnly }) => `put ${quote(source)} ${quote(target)} ${readOnly ? 'ro' : ''}`).join('\n    ')}
    mkdir -p "$R"${quote(workingDir)}
    ${readOnlyRoot ? 'mount -o remount,ro "$R"' : ''}
    echo >&3
    exec 3>&-
    exec chroot "$R" setpriv --pdeathsig KILL ${identity.join(' ')} env -i -C ${quote(workingDir)} ${variables.join(' ')} "$@"`;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
