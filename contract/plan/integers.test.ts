import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { largestRemainder, scaleShares } from './integers.ts';

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
const idsOf = (list: readonly unknown[]): string[] => list.map((_, i) => `cell ${i}`);

const weight = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 9 }),
  fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
);
const weightsArb = fc.array(weight, { minLength: 1, maxLength: 60 });

test('by hand: Hamilton gives 10 seats for shares of 4.72, 3.14 and 2.14', () => {
  assert.deepEqual(largestRemainder([4.72, 3.14, 2.14], 10, ['a', 'b', 'c']), [5, 3, 2]);
});

test('by hand: weights 1, 3 and 6 for 21 images, at least 3 each', () => {
  // 2.1 is too few for the first, so 18 remain for 3 : 6.
  assert.deepEqual(scaleShares([1, 3, 6], 21, 3), [3, 6, 12]);
});

test('by hand: filling up one cell can make another fall short in turn', () => {
  // 30 in 1 : 3 : 3.5 : 22.5 are shares as they stand. The least of 4 takes the first, and then 26 in 3 : 3.5 : 22.5
  // leaves 2.69 and 3.14: both get 4, and the last one 18.
  assert.deepEqual(scaleShares([1, 3, 3.5, 22.5], 30, 4), [4, 4, 4, 18]);
});

test('a weight of 0 gets nothing, or the least', () => {
  assert.deepEqual(scaleShares([0, 1, 0], 9, 0), [0, 9, 0]);
  assert.deepEqual(scaleShares([0, 1, 0], 9, 2), [2, 5, 2]);
  assert.deepEqual(scaleShares([0, 0], 9, 2), [4.5, 4.5]);
});

test('weights at the ends of what a double holds keep their proportion', () => {
  assert.deepEqual(scaleShares([5e-324, 1.5e-323], 8, 0), [2, 6]);
  assert.deepEqual(scaleShares([1e308, 1e308], 8, 0), [4, 4]);
});

test('shares add up, none is below the least, and the others keep their proportion', () => {
  fc.assert(
    fc.property(weightsArb, fc.nat(20), fc.nat(1_000_000), (weights, min, more) => {
      const total = min * weights.length + more;
      const shares = scaleShares(weights, total, min);
      assert.ok(Math.abs(sum(shares) - total) <= 1e-9 * total);
      assert.ok(shares.every((share) => share >= min));
      const open = weights.flatMap((w, i) => (w > 0 && shares[i]! > min ? [shares[i]! / w] : []));
      for (const factor of open) assert.ok(Math.abs(factor / open[0]! - 1) < 1e-9);
    }),
    { numRuns: 500 },
  );
});

test('whole numbers add up exactly, each less than one from its share and never below the least', () => {
  fc.assert(
    fc.property(weightsArb, fc.nat(20), fc.nat(1_000_000_000), (weights, min, more) => {
      const total = min * weights.length + more;
      const shares = scaleShares(weights, total, min);
      const quotas = largestRemainder(shares, total, idsOf(weights));
      assert.equal(sum(quotas), total);
      quotas.forEach((quota, i) => {
        assert.ok(Number.isInteger(quota) && quota >= min);
        assert.ok(Math.abs(quota - shares[i]!) < 1, `${quota} for ${shares[i]}`);
      });
    }),
    { numRuns: 500 },
  );
});

test('a larger share never gets fewer', () => {
  fc.assert(
    fc.property(weightsArb, fc.nat(1000), (weights, total) => {
      const shares = scaleShares(weights, total, 0);
      const quotas = largestRemainder(shares, total, idsOf(weights));
      shares.forEach((share, i) => {
        shares.forEach((other, k) => {
          if (share > other + 1e-6) assert.ok(quotas[i]! >= quotas[k]!);
        });
      });
    }),
  );
});

test('who gets the spare images does not depend on the order of the cells', () => {
  fc.assert(
    fc.property(weightsArb, fc.nat(1000), fc.infiniteStream(fc.nat()), (weights, total, keys) => {
      const cells = weights.map((w, i) => ({ id: `cell ${i}`, w, key: keys.next().value as number }));
      const byId = (list: typeof cells): Map<string, number> => {
        const shares = scaleShares(
          list.map((cell) => Math.round(cell.w)),
          total,
          0,
        );
        const quotas = largestRemainder(
          shares,
          total,
          list.map((cell) => cell.id),
        );
        return new Map(list.map((cell, i) => [cell.id, quotas[i]!]));
      };
      const permuted = byId([...cells].sort((a, b) => a.key - b.key));
      for (const [id, quota] of byId(cells)) assert.equal(permuted.get(id), quota);
    }),
  );
});

test('noise in the last digits of equal shares changes nothing', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.nat(100_000),
      fc.infiniteStream(fc.integer({ min: -9, max: 9 })),
      (n, total, noise) => {
        const exact = new Array<number>(n).fill(total / n);
        const noisy = exact.map((share) => share + (noise.next().value as number) * 1e-10);
        assert.deepEqual(largestRemainder(noisy, total, idsOf(exact)), largestRemainder(exact, total, idsOf(exact)));
      },
    ),
  );
});

test('spare images do not all go to the first cells', () => {
  const quotas = largestRemainder(new Array(1000).fill(0.5), 500, idsOf(new Array(1000).fill(0)));
  const first = sum(quotas.slice(0, 500));
  assert.ok(first > 200 && first < 300, `${first}`);
});

test('shares that do not add up are refused', () => {
  assert.throws(() => largestRemainder([1.5, 1.5], 5, ['a', 'b']), RangeError);
  assert.throws(() => largestRemainder([1.5, 1.5], 1, ['a', 'b']), RangeError);
});

test('a weight that is not a number is refused, and does not make all equal', () => {
  assert.throws(() => scaleShares([1, Number.NaN], 10, 0), /a weight is NaN/);
});
