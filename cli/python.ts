import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Python programs as children of a command. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs Python to its end, what it prints shown here; signals of this process are forwarded to it.
 * @returns its exit code, or 128 and the number of the signal that ended it
 */
export function runPython(python: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // In a session of its own, so that Ctrl-C and a terminal that closes reach it once, from here.
  const child = spawn(python, args, {
    env: { ...process.env, PYTHONUNBUFFERED: '1', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  }).finally(() => {
    for (const signal of SIGNALS) process.off(signal, forward);
  });
}
