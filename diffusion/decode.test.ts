import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toEightBits } from '../platform/image/image.ts';
import { functionModel } from '../test/support/function-model.ts';
import { decodeLatents, sliceOf, toRawImage } from './decode.ts';

const size = { height: 1, width: 2 };

test('-1..1 becomes 0..255, clipped and rounded', () => {
  const level = (value: number): number => (2 * value) / 255 - 1;
  const values = Float32Array.from([-1, 1, -7, 7, 0, level(0.4), level(1.6), level(254.4)]);
  const { data } = toRawImage(values, 1, { height: 2, width: 4 });
  assert.deepEqual([...data], [0, 255, 0, 255, 128, 0, 2, 254]);
});

test('of 16 bits, -1..1 becomes 0..65,535', () => {
  const step = (value: number): number => (2 * value) / 65_535 - 1;
  const values = Float32Array.from([-1, 1, -7, 7, 0, step(0.4), step(1.6), step(65_534.4)]);
  const { data } = toRawImage(values, 1, { height: 2, width: 4 }, 16);
  assert.deepEqual(data, Uint16Array.of(0, 65_535, 0, 65_535, 32_768, 0, 2, 65_534));
  assert.deepEqual(toRawImage(Float32Array.of(Infinity, -Infinity), 1, size, 16).data, Uint16Array.of(65_535, 0));
  const broken = Float32Array.from([1, Number.NaN]);
  assert.deepEqual(toRawImage(broken, 1, size, 16).data, new Uint16Array(2));
});

test('an image of 16 bits rounds to the one of 8, and is as near to the numbers as that allows', () => {
  const value = fc.oneof(
    fc.double({ min: -1.2, max: 1.2, noNaN: true }),
    // About the middle between two levels.
    fc
      .tuple(fc.integer({ min: 0, max: 254 }), fc.double({ min: -1e-6, max: 1e-6, noNaN: true }))
      .map(([level, off]) => (2 * level + 1) / 255 - 1 + off),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 2, maxLength: 2 }), (values) => {
      const planes = Float32Array.from(values);
      const [eight, sixteen] = ([8, 16] as const).map((bitDepth) => toRawImage(planes, 1, size, bitDepth));
      assert.deepEqual(toEightBits(sixteen!), eight);
      values.forEach((number, i) => {
        const share = Math.min(1, Math.max(0, number / 2 + 0.5));
        assert.ok(Math.abs(sixteen!.data[i]! - share * 65_535) <= 1);
      });
    }),
  );
});

test('an image of 16 bits is grey: of colours the luma', () => {
  const planes = Float32Array.from([1, 0.5, -1, 0.5, -1, 0.5]);
  const { channels, data } = toRawImage(planes, 3, size, 16);
  assert.equal(channels, 1);
  assert.deepEqual([...data], [Math.round(0.299 * 65_535), Math.round(0.75 * 65_535)]);
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
