import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../contract/failure.ts';
import { areZero, fromHalf } from '../../platform/half.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { tryBatch } from '../engine/trial.ts';
import { loadEncoder } from './encoder.ts';

/** A gate's graph serves as an encoder here: it gives two numbers for an image. */

const GATE = join(import.meta.dirname, '../../models/phantom/gates/sex/model.onnx');
const SOUND = {
  apiVersion: 'cohortfarm.dev/encoder/v1',
  name: 'two-numbers',
  license: 'Apache-2.0',
  input: { height: 128, width: 128, channels: 1, mean: [0.35], std: [0.25] },
};
const cpu = { provider: 'cpu', threads: 1 } as const;

async function folderOf(t: TestContext, json: object | string = SOUND): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-encoder-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await copyFile(GATE, join(dir, 'model.onnx'));
  await writeFile(join(dir, 'encoder.json'), typeof json === 'string' ? json : JSON.stringify(json));
  return dir;
}

const picture = (seed: number, side = 128): RawImage => ({
  width: side,
  height: side,
  channels: 1,
  data: Uint8Array.from({ length: side * side }, (_, i) => 128 + 100 * Math.sin((seed + 1) * Math.floor(i / 9))),
});

test('each image gets one vector, whatever its company in the batch', async (t) => {
  const encoder = await loadEncoder(await folderOf(t), cpu);
  const images = [picture(1), picture(2), picture(3, 96)];
  const together = await encoder.encode(images);
  assert.deepEqual(
    together.map(({ length }) => length),
    [2, 2, 2],
  );
  assert.notDeepEqual(together[0], together[1]);
  for (const [i, image] of images.entries()) assert.deepEqual(await encoder.encode([image]), [together[i]]);
  assert.ok(fromHalf(together[0]!).every(Number.isFinite));
  assert.deepEqual(await encoder.encode([]), []);
});

test('a folder that is no encoder is refused with the file and the fix', async (t) => {
  const cases = [
    ['{', /encoder\.json is not valid JSON; write it/],
    [{ ...SOUND, input: { ...SOUND.input, mean: [] } }, /encoder\.json is not valid: input\.mean/],
    [{ ...SOUND, license: undefined }, /encoder\.json is not valid: license/],
  ] as const;
  for (const [json, message] of cases)
    await assert.rejects(loadEncoder(await folderOf(t, json), cpu), (error) => {
      assert.ok(error instanceof Failure && error.reason === 'ModelInvalid');
      assert.match(error.message, message);
      return true;
    });
  const empty = await mkdtemp(join(tmpdir(), 'cohortfarm-encoder-'));
  t.after(() => rm(empty, { recursive: true, force: true }));
  await assert.rejects(loadEncoder(empty, cpu), /encoder\.json cannot be read; write it/);
});

test('an image without finite features in float16 has a vector of zeros, and the trial refuses such an encoder', async (t) => {
  const dir = await folderOf(t, { ...SOUND, input: { ...SOUND.input, std: [1e-6] } });
  const encoder = await loadEncoder(dir, cpu);
  assert.deepEqual((await encoder.encode([picture(1)])).map(areZero), [true]);
  const sampler = { trial: async () => [picture(1)] };
  const toLoad = { batchSize: 1, gates: [], encoder: dir };
  await assert.rejects(
    tryBatch({ sampler, gates: [], encoder, toLoad }),
    /encoder two-numbers: .*model\.onnx gives numbers that are not finite in float16/,
  );
});
