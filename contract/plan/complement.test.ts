import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fillToLevel } from './complement.ts';

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

test('by hand: 100, 40 and 10 real images and 80 synthetic ones make 100, 65 and 65', () => {
  assert.deepEqual(fillToLevel([100, 40, 10], 80), [0, 25, 55]);
});

test('by hand: with at least 5 each the level is 62.5', () => {
  assert.deepEqual(fillToLevel([100, 40, 10], 80, 5), [5, 22.5, 52.5]);
});

test('by hand: enough images bring all cells to one level, an empty cohort makes all shares equal', () => {
  assert.deepEqual(fillToLevel([3, 1, 2], 6), [1, 3, 2]);
  assert.deepEqual(fillToLevel([0, 0, 0, 0], 6), [1.5, 1.5, 1.5, 1.5]);
});

const haveArb = fc.array(fc.oneof(fc.nat(5), fc.nat(100_000), fc.double({ min: 0, max: 50, noNaN: true })), {
  minLength: 1,
  maxLength: 50,
});

test('all that is given out is given out, and cells above their least end at one level', () => {
  fc.assert(
    fc.property(haveArb, fc.nat(30), fc.nat(1_000_000), (have, min, more) => {
      const samples = min * have.length + more;
      const shares = fillToLevel(have, samples, min);
      assert.ok(Math.abs(sum(shares) - samples) < 1e-6 * Math.max(1, samples));
      const union = have.map((count, i) => count + shares[i]!);
      const filled = union.filter((_, i) => shares[i]! > min);
      const level = filled[0] ?? Math.min(...union);
      for (const height of filled) assert.ok(Math.abs(height - level) < 1e-6 * Math.max(1, level));
      // A cell that only got its least stood at the level already.
      union.forEach((height, i) => {
        assert.ok(shares[i]! >= min);
        if (shares[i] === min) assert.ok(height >= level - 1e-6 * Math.max(1, level));
      });
    }),
    { numRuns: 500 },
  );
});
