import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionModel } from '../test/support/function-model.ts';
import { decodeLatents, sliceOf, toRawImage } from './decode.ts';

const size = { height: 1, width: 2 };

test('-1..1 becomes 0..255, clipped and rounded', () => {
  const level = (value: number): number => (2 * value) / 255 - 1;
  const values = Float32Array.from([-1, 1, -7, 7, 0, level(0.4), level(1.6), level(254.4)]);
  const { data } = toRawImage(values, 1, { height: 2, width: 4 });
  assert.deepEqual([...data], [0, 255, 0, 255, 128, 0, 2, 254]);
});

test('planes are interleaved', () => {
  const planes = Float32Array.from([-1, 1, 0, 0, 1, -1]);
  assert.deepEqual(toRawImage(planes, 3, size), {
    ...size,
    channels: 3,
    data: new Uint8Array([0, 128, 255, 255, 128, 0]),
  });
});

test('an image with NaN is black throughout, one with infinities is clipped', () => {
  assert.deepEqual([...toRawImage(Float32Array.from([1, Number.NaN]), 1, size).data], [0, 0]);
  assert.deepEqual([...toRawImage(Float32Array.from([Infinity, -Infinity]), 1, size).data], [255, 0]);
});

test('a call decodes at most 512 x 512 pixels or one image, and all calls have the same shape', () => {
  const slices = [1, 4, 6, 7, 8, 32].map((rows) =>
    [64, 128, 256, 512, 1024].map((side) => sliceOf(rows, side * side, false)),
  );
  assert.deepEqual(slices, [
    [1, 1, 1, 1, 1],
    [4, 4, 4, 1, 1],
    [6, 6, 3, 1, 1],
    [7, 7, 1, 1, 1],
    [8, 8, 4, 1, 1],
    [32, 16, 4, 1, 1],
  ]);
  assert.equal(sliceOf(8, 512 * 512, true), 8, 'an export with a fixed batch gets it');
});

test('images of sliced calls are those of one call', async () => {
  const size = { height: 128, width: 128 };
  const draw = async (rows: number, vae: string | number) => {
    const { model, calls } = functionModel();
    const input = { ...model.vae.input, shape: [vae, 2, 'height', 'width'] };
    const latents = Float32Array.from({ length: rows * 2 * 128 * 128 }, (_, i) => Math.sin(i));
    const values = await decodeLatents({ ...model, vae: { ...model.vae, input } }, latents, size);
    return { values, calls: calls.vae.map(({ latent_sample }) => latent_sample!.dims[0]) };
  };
  const whole = await draw(12, 12);
  const sliced = await draw(12, 'batch');
  assert.deepEqual([whole.calls, sliced.calls], [[12], [4, 4, 4]]);
  assert.deepEqual(sliced.values, whole.values);
});
