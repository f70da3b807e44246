import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isModelFile } from '../../contract/folder.ts';
import { fetchFolder } from '../../platform/resource.ts';
import { openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';

/** The cache of models from S3, whose copies are used only as what they are. */

describe('H6: a cached model', { skip: await missingForServers() }, () => {
  let s3: S3Server;
  let cacheDir: string;
  before(async () => {
    s3 = await startS3Server();
    cacheDir = await mkdtemp(join(tmpdir(), 'cohortfarm-cache-'));
    await s3.createBucket('models');
    const store = openStore('s3://models/small', s3.options);
    for (const [key, text] of [
      ['model_index.json', '{}'],
      ['unet/model.onnx', 'weights'],
    ] as const)
      await store.create(key, Buffer.from(text), { contentType: 'application/octet-stream' });
  });
  after(async () => {
    await s3?.stop();
    await rm(cacheDir, { recursive: true, force: true });
  });

  const fetch = (sha256?: string) =>
    fetchFolder(
      { uri: 's3://models/small', includes: isModelFile, field: 'spec.model.uri', sha256 },
      { baseDir: '/', cacheDir, s3: s3.options },
    );
  const weightsOf = (dir: string) => readFile(join(dir, 'unet/model.onnx'), 'utf8');

  test('is repaired when its bytes have changed, with a pin and without', async () => {
    const { dir, digest } = await fetch();
    for (const pin of [digest, undefined]) {
      await writeFile(join(dir, 'unet/model.onnx'), 'damaged');
      const again = await fetch(pin);
      assert.deepEqual(again, { dir, digest });
      assert.equal(await weightsOf(again.dir), 'weights');
    }
  });

  test('is not taken from a copy that lacks a file', async () => {
    const { dir, digest } = await fetch();
    await rm(join(dir, 'unet'), { recursive: true });
    assert.equal(await weightsOf((await fetch(digest)).dir), 'weights');
  });

  test('leaves nothing behind, and what killed downloads left goes after an hour', async () => {
    const models = join(cacheDir, 'models');
    await Promise.all(['incoming-old', 'incoming-new'].map((name) => mkdir(join(models, name), { recursive: true })));
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    await utimes(join(models, 'incoming-old'), hoursAgo, hoursAgo);
    const { digest } = await fetch();
    assert.deepEqual((await readdir(models)).sort(), [digest, 'incoming-new'].sort());
  });

  test('of many processes at once is one folder, whole for each of them', async () => {
    const found = await Promise.all(Array.from({ length: 8 }, () => fetch()));
    assert.equal(new Set(found.map(({ dir }) => dir)).size, 1);
    assert.equal(await weightsOf(found[0]!.dir), 'weights');
  });
});
