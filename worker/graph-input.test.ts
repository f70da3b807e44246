import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageTensor } from './graph-input.ts';

test('an image is resized once for all graphs that want it in one size, however they scale its values', async () => {
  const data = Uint8Array.from({ length: 64 * 64 }, (_, i) => (i * 37) % 251);
  const image = { width: 64, height: 64, channels: 1 as const, data };
  const input = { height: 32, width: 32, channels: 1 as const, mean: [0], std: [1] };
  const batch = [image, image];
  const first = await imageTensor(batch, input);
  assert.equal(await imageTensor(batch, { ...input }), first, 'a batch has one tensor for graphs of one kind');
  data.fill(0);
  assert.deepEqual(await imageTensor([image, image], input), first, 'the pixels are not looked at again');
  const centred = await imageTensor([image], { ...input, mean: [0.5], std: [0.5] });
  const expected = Array.from(first.data.slice(0, 32 * 32) as Float32Array, (value) => (value - 0.5) / 0.5);
  for (const [i, value] of expected.entries()) assert.ok(Math.abs((centred.data[i] as number) - value) < 1e-6);
  const other = await imageTensor([image], { ...input, height: 16, width: 16 });
  assert.ok(
    (other.data as Float32Array).every((value) => value === 0),
    'another size is made of the pixels',
  );
});
