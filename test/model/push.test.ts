import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isModelFile } from '../../contract/folder.ts';
import { fetchFolder } from '../../platform/resource.ts';
import { openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { REPO, runCli } from '../support/cli.ts';

describe('model push', () => {
  let s3: S3Server;
  let dir: string;
  let model: string;
  before(async () => {
    s3 = await startS3Server();
    await s3.createBucket('models');
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-push-'));
    model = join(dir, 'model');
    for (const part of ['model_index.json', 'scheduler', 'tokenizer', 'text_encoder', 'unet', 'vae_decoder'])
      await cp(join(REPO, 'models/phantom', part), join(model, part), { recursive: true });
    // Larger than one request may be, so that it goes up in parts.
    await writeFile(join(model, 'unet/model.onnx_data'), Buffer.alloc(70 * 2 ** 20, 7));
    await writeFile(join(model, 'README.md'), 'no part of the model');
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
    await s3.stop();
  });

  const push = async (from: string, uri: string) => {
    const args = ['model', 'push', from, uri, '--endpoint', s3.endpoint, '--path-style', '--json'];
    const { code, stdout, stderr } = await runCli(args, s3.env);
    return { code, stderr, pushed: stdout ? JSON.parse(stdout) : null };
  };
  const storeOf = (uri: string) => openStore(uri, { ...s3.options, forcePathStyle: true });

  test('writes a model with its digest to pin, and then only what is missing', async () => {
    const uri = 's3://models/one';
    const first = await push(model, uri);
    assert.equal(first.code, 0, first.stderr);
    const store = storeOf(uri);
    const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key);
    assert.ok(keys.includes('unet/model.onnx_data') && keys.includes('README.md'), `${keys}`);
    assert.deepEqual([first.pushed.files, first.pushed.kept], [keys.length - 1, 0], 'the card is not counted');
    const context = { baseDir: dir, cacheDir: join(dir, 'cache'), s3: { ...s3.options, forcePathStyle: true } };
    const { digest } = await fetchFolder({ uri, includes: isModelFile, field: 'x' }, context);
    assert.equal(first.pushed.digest, digest);
    // As a push that was killed leaves it.
    await store.remove(['unet/model.onnx', 'model_index.json']);
    const second = await push(model, uri);
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual([second.pushed.files, second.pushed.kept], [2, keys.length - 3]);
    assert.equal(second.pushed.digest, digest);
  });

  test('writes nothing over another model, nor beside one', async () => {
    const uri = 's3://models/two';
    assert.equal((await push(join(REPO, 'models/phantom'), uri)).code, 0);
    const listed = async () => Array.fromAsync(storeOf(uri).list(''));
    const before = await listed();
    const changed = join(dir, 'changed');
    await cp(model, changed, { recursive: true });
    await rm(join(changed, 'unet/model.onnx_data'));
    await writeFile(join(changed, 'scheduler/scheduler_config.json'), '{}');
    for (const from of [changed, join(REPO, 'models/phantom/gates/age')]) {
      const { code, stderr } = await push(from, uri);
      assert.equal(code, 78, stderr);
      assert.match(stderr, /s3:\/\/models\/two holds another model \(.*\); nothing there is overwritten/);
    }
    assert.deepEqual(await listed(), before);
  });

  test('a folder that is neither model nor gate is refused', async () => {
    const { code, stderr } = await push(join(REPO, 'docs'), 's3://models/three');
    assert.equal(code, 2);
    assert.match(stderr, /docs holds neither a model \(model_index\.json\) nor a gate \(gate\.json\)/);
  });
});
