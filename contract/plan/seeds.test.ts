import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { attemptSeed, SEED_SPACE, seedKeys } from './seeds.ts';

const ordinal = fc.oneof(
  fc.integer({ min: 0, max: SEED_SPACE - 1 }),
  fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, SEED_SPACE - 1),
);

test('the seeds of a dataset never change', () => {
  // Published samples name their seeds: another value here makes them irreproducible.
  const keys = seedKeys(42);
  assert.deepEqual(
    [0, 1, 2, 4_294_967_295].map((n) => attemptSeed(keys, n)),
    [2_818_193_395, 2_700_460_768, 1_155_618_634, 2_987_617_110],
  );
});

test('a seed is an unsigned 32-bit integer', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), ordinal, (seed, n) => {
      const value = attemptSeed(seedKeys(seed), n);
      assert.ok(Number.isInteger(value) && value >= 0 && value < SEED_SPACE);
    }),
  );
});

test('windows of a million attempts hold no seed twice', () => {
  for (const begin of [0, 1_234_567_890, SEED_SPACE - 1_000_000]) {
    const keys = seedKeys(begin);
    const seeds = Uint32Array.from({ length: 1_000_000 }, (_, i) => attemptSeed(keys, begin + i)).sort();
    assert.ok(seeds.every((seed, i) => i === 0 || seed !== seeds[i - 1]));
  }
});

test('attempts far apart have different seeds', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), ordinal, ordinal, (seed, a, b) => {
      const keys = seedKeys(seed);
      assert.equal(attemptSeed(keys, a) === attemptSeed(keys, b), a === b);
    }),
    { numRuns: 2000 },
  );
});

test('every round can be taken back, so the whole is a bijection', () => {
  // One round maps (l, r) to (r, l ^ f(r)), whose inverse is (l', r') -> (r' ^ f(l'), l'). f is read off a single round.
  const round = (half: number, key: number): number => attemptSeed(Uint32Array.of(key), half) & 0xffff;
  fc.assert(
    fc.property(fc.maxSafeNat(), ordinal, (seed, n) => {
      const keys = seedKeys(seed);
      const value = attemptSeed(keys, n);
      let [left, right] = [Math.floor(value / 0x10000), value & 0xffff];
      for (const key of keys.toReversed()) [left, right] = [right ^ round(left, key), left];
      assert.equal(left * 0x10000 + right, n);
    }),
  );
});

test('datasets with other seeds have other noise from the first sample on', () => {
  const firsts = new Set(Array.from({ length: 10_000 }, (_, seed) => attemptSeed(seedKeys(seed), 0)));
  // Among 10,000 random 32-bit numbers about 0.01 pairs are equal.
  assert.ok(firsts.size >= 9_998);
});

test('the bits of neighbouring seeds look independent', () => {
  const keys = seedKeys(1);
  for (let bit = 0; bit < 32; bit++) {
    let flips = 0;
    for (let n = 0; n < 4000; n++) flips += ((attemptSeed(keys, n) ^ attemptSeed(keys, n + 1)) >>> bit) & 1;
    // 2000 expected, standard deviation 32.
    assert.ok(Math.abs(flips - 2000) < 200, `bit ${bit}: ${flips}`);
  }
});
