import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toRawImage } from './decode.ts';

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
