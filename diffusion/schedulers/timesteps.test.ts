import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linspace, roundHalfEven, spaceTimesteps, spaceTimestepsAboveLowest } from './timesteps.ts';

const spaced = { steps: 5, train: 1000, offset: 1 };

test('timesteps are those that diffusers visits', () => {
  assert.deepEqual(spaceTimesteps({ ...spaced, spacing: 'leading' }), [801, 601, 401, 201, 1]);
  assert.deepEqual(spaceTimesteps({ ...spaced, spacing: 'linspace' }), [999, 749.25, 499.5, 249.75, 0]);
  assert.deepEqual(spaceTimesteps({ ...spaced, spacing: 'trailing' }), [999, 799, 599, 399, 199]);
  assert.deepEqual(spaceTimestepsAboveLowest({ ...spaced, spacing: 'leading' }), [831, 665, 499, 333, 167]);
  assert.deepEqual(spaceTimestepsAboveLowest({ ...spaced, spacing: 'linspace' }), [999, 799, 599, 400, 200]);
  assert.deepEqual(spaceTimestepsAboveLowest({ ...spaced, spacing: 'trailing' }), [999, 799, 599, 399, 199]);
});

test('timesteps fall, and are as many as steps', () => {
  const spacing = fc.constantFrom('leading' as const, 'linspace' as const);
  fc.assert(
    fc.property(spacing, fc.integer({ min: 1, max: 499 }), (kind, steps) => {
      for (const visit of [spaceTimesteps, spaceTimestepsAboveLowest]) {
        const timesteps = visit({ ...spaced, spacing: kind, steps });
        assert.equal(timesteps.length, steps);
        assert.ok(timesteps.slice(1).every((timestep, i) => timestep < timesteps[i]!));
      }
    }),
  );
});

test('halves are rounded to even, others to the nearest', () => {
  assert.deepEqual(
    [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven),
    [0, 2, 2, -0, -2, 2, 3].map((x) => x + 0),
  );
  fc.assert(
    fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (value) => {
      assert.ok(Math.abs(roundHalfEven(value) - value) <= 0.5);
    }),
  );
});

test('a range has its ends', () => {
  assert.deepEqual(linspace(0, 1, 3), [0, 0.5, 1]);
  assert.deepEqual(linspace(3, 9, 1), [3]);
});
