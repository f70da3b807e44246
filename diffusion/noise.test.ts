import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { randn } from './noise.ts';

const draw = (seed: number, count: number): number[] => [...randn(seed, new Float32Array(count))];

const close = (ours: readonly number[], theirs: readonly number[], tolerance: number): void => {
  ours.forEach((value, i) => {
    assert.ok(Math.abs(value - theirs[i]!) <= tolerance, `${i}: ${value}, not ${theirs[i]}`);
  });
};

test('values are those that torch.randn prints', () => {
  close(draw(0, 2), [1.5409960746765137, -0.293428897857666], 0);
  close(draw(42, 3), [0.33669036626815796, 0.12880940735340118, 0.23446236550807953], 0);
  close(
    draw(0, 256).slice(0, 4),
    [-1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383],
    2e-6,
  );
  close(draw(0, 17).slice(-3), [0.946298360824585, -0.843676745891571, 0.9318265914916992], 2e-6);
});

const seeds = fc.integer({ min: 0, max: 0xffffffff });

test('whole blocks of 16 do not depend on how many follow', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 8 }), (seed, blocks, more) => {
      assert.deepEqual(draw(seed, 16 * (blocks + more)).slice(0, 16 * blocks), draw(seed, 16 * blocks));
    }),
    { numRuns: 50 },
  );
});

test('values are standard normal, and other seeds give others', () => {
  const values = draw(7, 100_000);
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.01 && Math.abs(variance - 1) < 0.02, `${mean}, ${variance}`);
  assert.notDeepEqual(draw(8, 64), values.slice(0, 64));
});

test('a seed that is not a 32-bit whole number is refused', () => {
  for (const seed of [-1, 0.5, 2 ** 32, Number.NaN]) assert.throws(() => draw(seed, 16), /seed/);
});
