import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionModel } from '../../test/support/function-model.ts';
import { compareWith } from './compare.ts';
import { runGates, sampleOnce } from './trial.ts';

const sampling = { steps: 3, guidanceScale: 3, negativePrompt: '', height: 8, width: 12 };
const wanted = [
  { prompt: 'a', seed: 1 },
  { prompt: 'b', seed: 2 },
];

test('a trial gives the images, the last latents and the time of a step', async () => {
  const { model, calls } = functionModel();
  const result = await sampleOnce({ model, provider: 'cpu', sampling, wanted });
  assert.equal(result.images.length, 2);
  assert.equal(result.latents.length, 2 * 2 * 4 * 6);
  assert.ok(result.secondsPerStep > 0 && result.secondsPerStep <= result.secondsPerBatch);
  assert.equal(result.black, 0);
  const decoded = calls.vae[0]!.latent_sample!.data;
  assert.ok(Math.abs(result.latents[5]! / model.vae.scalingFactor - (decoded[5] as number)) < 1e-6);
});

test('other latents or images than those of diffusers are not equal', async () => {
  const { model } = functionModel();
  const result = await sampleOnce({ model, provider: 'cpu', sampling, wanted });
  const trial = { ...result, isHalf: false };
  const images = Buffer.concat(result.images.map(({ data }) => Buffer.from(data)));
  assert.equal(compareWith({ latents: result.latents, images }, trial).isEqual, true);
  const moved = result.latents.map((value) => value + 0.01);
  assert.equal(compareWith({ latents: moved, images }, trial).isEqual, false);
  const brighter = images.map((level) => (level > 128 ? level - 5 : level + 5));
  assert.equal(compareWith({ latents: result.latents, images: brighter }, trial).isEqual, false);
  const shorter = { latents: result.latents.slice(1), images };
  assert.equal(compareWith(shorter, trial).latents, Number.POSITIVE_INFINITY);
  assert.equal(compareWith({ latents: moved, images }, { ...result, isHalf: true }).isEqual, true);
  const broken = result.latents.map(() => Number.NaN);
  assert.equal(compareWith({ latents: broken, images }, trial).isEqual, false);
});

test('images that a gate does not judge have no score', async () => {
  const gate = {
    name: 'sex',
    judge: async () => [{ passed: true, score: 0.9 }, null, { passed: false, score: 0.1 }],
  };
  assert.deepEqual(await runGates([gate], [], []), [{ name: 'sex', scores: [0.9, 0.1], passed: 1 }]);
});
