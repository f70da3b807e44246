import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';

/** Programs that a study runs, one after another. */

const REPO = resolve(import.meta.dirname, '../..');

/** Runs a program that writes to this terminal. @throws Error when it fails */
export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const child = spawn(command, args, { stdio: 'inherit', cwd: REPO, env: { ...process.env, ...env } });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => (code === 0 ? done() : fail(new Error(`${command} ended with ${code}`))));
  });
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export const farm = (...args: string[]): Promise<void> => run(process.execPath, ['cli/main.ts', ...args]);
