import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

/** The shell lines of a page, run one block after another in one folder, as a reader would. */

async function shellBlocks(page: string): Promise<string[]> {
  const text = await readFile(join(REPO, page), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
}

const skip = (await missingForServers()) || (await missingPython());

test('the lines of docs/models.md do what they say', { skip }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-lines-'));
  const s3 = await startS3Server();
  t.after(async () => {
    await s3.stop();
    await rm(dir, { recursive: true, force: true });
  });
  await s3.createBucket('models');
  const path = await pathWithCommand(dir);
  const blocks = await shellBlocks('docs/models.md');
  assert.ok(blocks.length >= 5, `${blocks.length} blocks`);
  // A reader has the weights before the lines that name them.
  const weights = new Set(blocks.flatMap((block) => [...block.matchAll(/--weights (\S+)/g)].map(([, file]) => file!)));
  for (const file of weights) await writeFile(join(dir, file), 'weights');
  await runBlocks(blocks, dir, { ...process.env, ...s3.env, PATH: path });
  const keys = (await Array.fromAsync(openStore('s3://models', s3.options).list(''))).map(({ key }) => key);
  assert.ok(keys.includes('roentgen-v2/unet/model.onnx') && keys.includes('gates/age/gate.json'), `${keys}`);
  const manifest = JSON.parse(await readFile(join(dir, 'out/try/dataset.json'), 'utf8'));
  assert.equal(manifest.samples.accepted, 4);
});

test('the lines of docs/tutorial.md lead from an empty folder to a verified cohort', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-tutorial-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const blocks = await shellBlocks('docs/tutorial.md');
  assert.equal(blocks.length, 5);
  await runBlocks(blocks, dir, { ...process.env, PATH: await pathWithCommand(dir) });
  const manifest = JSON.parse(await readFile(join(dir, 'out/first/dataset.json'), 'utf8'));
  assert.deepEqual([manifest.samples.accepted, manifest.cells.length], [32, 32]);
  assert.ok((await readdir(join(dir, 'out/first-images'))).length > 0);
});

/** PATH with the command `cohortfarm`, as a reader has it who installed the package. */
async function pathWithCommand(dir: string): Promise<string> {
  const bin = join(dir, 'bin');
  await mkdir(bin);
  const command = `#!/bin/sh\nexec "${process.execPath}" "${join(import.meta.dirname, 'command.ts')}" "$@"\n`;
  await writeFile(join(bin, 'cohortfarm'), command, { mode: 0o755 });
  return `${bin}:${process.env.PATH}`;
}

async function runBlocks(blocks: readonly string[], dir: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (const block of blocks) {
    const { code, output } = await runShell(block, dir, env);
    assert.equal(code, 0, `${block}\n${output}`);
  }
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
