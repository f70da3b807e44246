import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { missingPython } from '../support/venv.ts';
import { blocksOf } from './blocks.ts';
import { startReader } from './shell.ts';

/** The shell lines of a page, run one block after another in one folder, as a reader would. */

const skip = (await missingForServers()) || (await missingPython());

test('the lines of docs/models.md do what they say', { skip }, async (t) => {
  const [reader, s3] = await Promise.all([startReader(t), startS3Server()]);
  t.after(() => s3.stop());
  await s3.createBucket('models');
  const blocks = await blocksOf('docs/models.md', 'sh');
  assert.ok(blocks.length >= 5, `${blocks.length} blocks`);
  // A reader has the weights before the lines that name them.
  const weights = new Set(blocks.flatMap((block) => [...block.matchAll(/--weights (\S+)/g)].map(([, file]) => file!)));
  for (const file of weights) await writeFile(join(reader.folder, file), 'weights');
  await reader.runBlocks(blocks, { env: s3.env });
  const keys = (await Array.fromAsync(openStore('s3://models', s3.options).list(''))).map(({ key }) => key);
  assert.ok(keys.includes('roentgen-v2/unet/model.onnx') && keys.includes('gates/age/gate.json'), `${keys}`);
  const manifest = JSON.parse(await readFile(join(reader.folder, 'out/try/dataset.json'), 'utf8'));
  assert.equal(manifest.samples.accepted, 4);
});

test('the lines of docs/tutorial.md lead from an empty folder to a verified cohort', async (t) => {
  const { folder, runBlocks } = await startReader(t);
  const blocks = await blocksOf('docs/tutorial.md', 'sh');
  assert.equal(blocks.length, 5);
  await runBlocks(blocks);
  const manifest = JSON.parse(await readFile(join(folder, 'out/first/dataset.json'), 'utf8'));
  assert.deepEqual([manifest.samples.accepted, manifest.cells.length], [32, 32]);
  assert.ok((await readdir(join(folder, 'out/first-images'))).length > 0);
});
