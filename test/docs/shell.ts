import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ObjectStore } from '../../platform/store/store.ts';

/** The folder and the shell of a reader, who has installed the command and runs the blocks of a page one after another. */
export interface Reader {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Puts a program on the reader's PATH, as a shell script. */
  addProgram(name: string, script: string): Promise<void>;
  /** Runs blocks, each in a shell of its own; returns what they print. Rejects with the first that fails. */
  runBlocks(blocks: readonly string[], options?: RunOptions): Promise<string>;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Names that a page invents, such as those of servers, and what is there in this test. Each must occur. */
  readonly replace?: Readonly<Record<string, string>>;
}

/** @param t whose end removes the folder: a test, or `after` of a suite */
export async function startReader(t: { after(remove: () => Promise<void>): void }): Promise<Reader> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-reader-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const bin = join(folder, '.bin');
  await mkdir(bin);
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const addProgram = (name: string, script: string): Promise<void> =>
    writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await addProgram('cohortfarm', `exec "${process.execPath}" "${join(import.meta.dirname, 'command.ts')}" "$@"`);
  return {
    folder,
    env,
    addProgram,
    async runBlocks(blocks, options = {}) {
      let said = '';
      for (const block of replaced(blocks, options.replace ?? {})) {
        const { code, output } = await runShell(block, folder, { ...env, ...options.env });
        assert.equal(code, 0, `${block}\n${output}`);
        said += output;
      }
      return said;
    },
  };
}

function replaced(blocks: readonly string[], names: Readonly<Record<string, string>>): string[] {
  return Object.entries(names).reduce(
    (texts, [name, value]) => {
      assert.ok(
        texts.some((text) => text.includes(name)),
        `the page does not name ${name} any more`,
      );
      return texts.map((text) => text.replaceAll(name, value));
    },
    [...blocks],
  );
}

function runShell(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Puts stubs on the reader's PATH (stub.ts). */
export async function addStubs({ addProgram }: Reader, names: readonly string[]): Promise<void> {
  const stub = join(import.meta.dirname, 'stub.ts');
  for (const name of names) await addProgram(name, `exec "${process.execPath}" "${stub}" ${name} "$@"`);
}

/** Runs Python blocks as one program; returns what it prints. */
export async function runPythonBlocks(python: string, cwd: string, blocks: readonly string[]): Promise<string> {
  return (await promisify(execFile)(python, ['-c', blocks.join('\n')], { cwd })).stdout;
}

export async function copyStore(from: ObjectStore, to: ObjectStore): Promise<void> {
  for await (const { key } of from.list(''))
    await to.create(key, (await from.get(key))!, { contentType: 'application/octet-stream' });
}
