import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHalf, softFromHalf, softToHalf, toHalf } from './half.ts';

const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

test('every float16 number survives the way there and back', () => {
  for (const [there, back] of [
    [fromHalf, toHalf],
    [softFromHalf, softToHalf],
  ] as const) {
    const numbers = all.filter((bits) => (bits & 0x7fff) <= 0x7c00);
    const bits = new Uint16Array(numbers.length);
    back(there(numbers), bits);
    assert.deepEqual(bits, numbers);
  }
});

test('both ways read the same numbers', () => assert.deepEqual([...softFromHalf(all)], [...fromHalf(all)]));

test('float32 becomes the nearest float16, and both ways choose the same', () => {
  const property = fc.property(fc.float({ min: -70000, max: 70000, noNaN: true }), (value) => {
    const [bits, soft] = [new Uint16Array(1), new Uint16Array(1)];
    toHalf(Float32Array.of(value), bits);
    softToHalf(Float32Array.of(value), soft);
    assert.deepEqual(soft, bits);
    if (Math.abs(value) < 65504)
      assert.ok(Math.abs(fromHalf(bits)[0]! - value) <= Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
  });
  fc.assert(property, { numRuns: 2000 });
});
