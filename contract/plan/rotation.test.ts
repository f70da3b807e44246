import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cycleOffsets, rotate, stride } from './rotation.ts';

const size = fc.integer({ min: 1, max: 24 });

/** Whether no two counts differ by more than one. */
const even = (counts: readonly number[]): boolean => Math.max(...counts) - Math.min(...counts) <= 1;

test('by hand: 3 phrases beside 2 years, and 2 beside 2', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map((slot) => rotate(slot, 3, 2)),
    [0, 1, 2, 0, 1, 2, 0],
  );
  // Without the shift the first phrase would always meet the first year.
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((slot) => rotate(slot, 2, 2)),
    [0, 1, 1, 0, 0, 1],
  );
});

test('after every slot all items have come up equally often, to within one', () => {
  fc.assert(
    fc.property(size, size, (length, period) => {
      const counts = new Array<number>(length).fill(0);
      for (let slot = 0; slot < 3 * length * period; slot++) {
        counts[rotate(slot, length, period)]!++;
        assert.ok(even(counts), `slot ${slot}`);
      }
    }),
  );
});

test('everything meets everything once in length * period slots, and then all repeats', () => {
  fc.assert(
    fc.property(size, size, (length, period) => {
      const all = length * period;
      const met = new Set<string>();
      for (let slot = 0; slot < all; slot++) {
        met.add(`${slot % period} ${rotate(slot, length, period)}`);
        assert.equal(rotate(slot + all, length, period), rotate(slot, length, period));
      }
      assert.equal(met.size, all);
    }),
  );
});

test('the cells of a group together use all items equally often, to within one', () => {
  const cells = fc.array(fc.record({ quota: fc.nat(300), period: size }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(cells, size, (group, length) => {
      const counts = new Array<number>(length).fill(0);
      cycleOffsets(group, length).forEach((begin, cell) => {
        const { quota, period } = group[cell]!;
        for (let slot = 0; slot < quota; slot++) counts[(begin + rotate(slot, length, period)) % length]!++;
      });
      assert.ok(even(counts), counts.join());
    }),
  );
});

test('a stride visits everything, and its first steps reach every region', () => {
  for (let length = 1; length <= 300; length++) {
    const step = stride(length);
    const visits = Array.from({ length }, (_, i) => (i * step) % length);
    assert.equal(new Set(visits).size, length);
    // The first 8 of at least 16 items leave no gap of half the cycle.
    if (length < 16) continue;
    const first = visits.slice(0, 8).sort((a, b) => a - b);
    const gaps = first.map((item, i) => (first[i + 1] ?? first[0]! + length) - item);
    assert.ok(Math.max(...gaps) < length / 2, `length ${length}: ${first}`);
  }
});
