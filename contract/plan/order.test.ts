import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexOfPlace, type Place, placesBetween } from './order.ts';

/** Sign of the difference of two positions (2s+1)/(2q), in whole numbers of any size. */
function compare(a: Place, b: Place, quotas: readonly number[]): number {
  const left = BigInt(2 * a.slot + 1) * BigInt(quotas[b.cell]!);
  const right = BigInt(2 * b.slot + 1) * BigInt(quotas[a.cell]!);
  return left < right ? -1 : left > right ? 1 : a.cell - b.cell;
}

/** All samples by sorting: the definition. */
function naive(quotas: readonly number[]): Place[] {
  const all = quotas.flatMap((quota, cell) => Array.from({ length: quota }, (_, slot) => ({ cell, slot })));
  return all.sort((a, b) => compare(a, b, quotas));
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
const quotasArb = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 60 })), { minLength: 1, maxLength: 30 })
  .filter((quotas) => sum(quotas) > 0);

test('by hand: quotas 3 and 1 make the order A, A, B, A', () => {
  // A stands at 1/6, 3/6, 5/6 and B at 1/2: the tie goes to the first cell.
  const order = placesBetween([3, 1], 0, 4).map(({ cell, slot }) => `${'AB'[cell]}${slot}`);
  assert.deepEqual(order, ['A0', 'A1', 'B0', 'A2']);
});

test('any cutting of the order into ranges gives the sorted whole', () => {
  fc.assert(
    fc.property(quotasArb, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }), (quotas, cuts) => {
      const total = sum(quotas);
      const ends = [0, ...cuts.map((cut) => Math.floor(cut * total)), total].sort((a, b) => a - b);
      const pieces = ends.slice(1).flatMap((end, i) => placesBetween(quotas, ends[i]!, end));
      assert.deepEqual(pieces, naive(quotas));
    }),
    { numRuns: 300 },
  );
});

test('a range that is no range of whole numbers is refused', () => {
  for (const [start, end] of [
    [-1, 1],
    [0, 5],
    [3, 2],
    [0.5, 2],
    [0, Number.NaN],
  ] as const) {
    assert.throws(() => placesBetween([2, 2], start, end), RangeError);
  }
  assert.deepEqual(placesBetween([2, 2], 4, 4), []);
});

/** The number of samples before a position, counted exactly. */
function rank(place: Place, quotas: readonly number[]): bigint {
  const [numerator, denominator] = [BigInt(2 * place.slot + 1), BigInt(2 * quotas[place.cell]!)];
  return quotas.reduce((before, quota, cell) => {
    if (quota === 0) return before;
    // Slots s with (2s + 1) / (2 quota) below numerator / denominator, or equal to it in an earlier cell.
    const limit = 2n * BigInt(quota) * numerator;
    const below = limit % denominator === 0n && cell >= place.cell ? limit / denominator - 1n : limit / denominator;
    return before + (below < 1n ? 0n : (below - 1n) / 2n + 1n);
  }, 0n);
}

test('ranks are exact in a plan of 4 billion samples over uneven cells', () => {
  const quotas = Array.from({ length: 2000 }, (_, i) => (i % 7 === 0 ? i % 3 : 1 + ((i * 2_654_435_761) % 3_999_971)));
  const total = sum(quotas);
  assert.ok(total > 3e9);
  for (const part of [0, 0.1, 1 / 3, 0.5, 0.77, 1]) {
    const start = Math.min(total - 100, Math.floor(part * total));
    placesBetween(quotas, start, start + 100).forEach((place, i) => {
      if (i % 9 === 0) assert.equal(rank(place, quotas), BigInt(start + i));
    });
  }
});

test('positions that doubles cannot tell apart are told apart', () => {
  // Slots of two cells with quotas of nearly 2^31 differ by less than 2^-60.
  const quotas = [2_147_483_629, 2_147_483_587];
  const start = 2_147_483_000;
  placesBetween(quotas, start, start + 200).forEach((place, i) => {
    assert.equal(rank(place, quotas), BigInt(start + i));
  });
});

/** Counts per cell of every prefix. */
function* prefixes(quotas: readonly number[]): Generator<number[]> {
  const counts = quotas.map(() => 0);
  yield counts;
  for (const { cell } of placesBetween(quotas, 0, sum(quotas))) {
    counts[cell]!++;
    yield counts;
  }
}

/** Whether one fraction x of all quotas explains the counts, to within `off` images of each cell. */
function inStep(counts: readonly number[], quotas: readonly number[], off: number): boolean {
  const used = quotas.flatMap((quota, cell) => (quota > 0 ? [{ quota, count: counts[cell]! }] : []));
  const least = Math.max(...used.map(({ quota, count }) => (count - off) / quota));
  const most = Math.min(...used.map(({ quota, count }) => (count + off) / quota));
  return least <= most + 1e-12;
}

test('in every prefix all cells are filled to one fraction, to within half an image', () => {
  fc.assert(
    fc.property(quotasArb, (quotas) => {
      for (const counts of prefixes(quotas)) assert.ok(inStep(counts, quotas, 0.5));
    }),
  );
});

test('in every range all cells hold one fraction, to within one image', () => {
  fc.assert(
    fc.property(quotasArb, fc.nat(), fc.nat(), (quotas, a, b) => {
      const total = sum(quotas);
      const [start, end] = [a % (total + 1), b % (total + 1)].sort((x, y) => x - y) as [number, number];
      const counts = quotas.map(() => 0);
      for (const { cell } of placesBetween(quotas, start, end)) counts[cell]!++;
      assert.ok(inStep(counts, quotas, 1));
    }),
  );
});

test('every prefix is within (1 + q C / N) / 2 images of its share', () => {
  fc.assert(
    fc.property(quotasArb, (quotas) => {
      const total = sum(quotas);
      const cells = quotas.filter((quota) => quota > 0).length;
      let length = 0;
      for (const counts of prefixes(quotas)) {
        quotas.forEach((quota, cell) => {
          const off = Math.abs(counts[cell]! - (quota * length) / total);
          assert.ok(off <= (1 + (quota * cells) / total) / 2 + 1e-9, `${off}`);
        });
        length++;
      }
    }),
  );
});

test('in a balanced grid every prefix is within one image of its share', () => {
  const arb = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 25 }), fc.nat());
  fc.assert(
    fc.property(arb, ([cells, floor, more]) => {
      const quotas = Array.from(
        { length: cells },
        (_, i) => floor + ((i * 7919 + more) % cells < more % cells ? 1 : 0),
      );
      const total = sum(quotas);
      let length = 0;
      for (const counts of prefixes(quotas)) {
        for (const [cell, quota] of quotas.entries()) {
          assert.ok(Math.abs(counts[cell]! - (quota * length) / total) < 1);
        }
        length++;
      }
    }),
  );
});

test('with equal quotas every range is within one image of its share', () => {
  const arb = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), fc.nat(), fc.nat());
  fc.assert(
    fc.property(arb, ([cells, quota, a, b]) => {
      const [start, end] = [a % (cells * quota + 1), b % (cells * quota + 1)].sort((x, y) => x - y) as [number, number];
      const counts = new Array<number>(cells).fill(0);
      for (const { cell } of placesBetween(new Array(cells).fill(quota), start, end)) counts[cell]!++;
      for (const count of counts) assert.ok(Math.abs(count - (end - start) / cells) < 1);
    }),
  );
});

test('the index of a place is where the order has it', () => {
  fc.assert(
    fc.property(quotasArb, (quotas) => {
      const order = naive(quotas);
      assert.deepEqual(
        order.map((place) => indexOfPlace(quotas, place)),
        order.map((_, index) => index),
      );
    }),
    { numRuns: 200 },
  );
});

test('indices stay exact where positions have more digits than a number', () => {
  const quotas = [999_999_937, 999_999_929, 1];
  for (const start of [0, 1, 123_456_789, 999_999_933, 1_999_999_860]) {
    const places = placesBetween(quotas, start, start + 5);
    assert.deepEqual(
      places.map((place) => indexOfPlace(quotas, place)),
      places.map((_, i) => start + i),
    );
  }
});

test('some cells alone stand in the same order as among all', () => {
  fc.assert(
    fc.property(quotasArb, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (quotas, picked) => {
      const cells = quotas.flatMap((_, cell) => (picked[cell] ? [cell] : []));
      const alone = cells.map((cell) => quotas[cell]!);
      const indices = placesBetween(alone, 0, sum(alone)).map(({ cell, slot }) =>
        indexOfPlace(quotas, { cell: cells[cell]!, slot }),
      );
      const wanted = naive(quotas).flatMap(({ cell }, index) => (cells.includes(cell) ? [index] : []));
      assert.deepEqual(indices, wanted);
    }),
    { numRuns: 200 },
  );
});

test('a slot that a cell does not have is refused', () => {
  for (const place of [
    { cell: 0, slot: 2 },
    { cell: 0, slot: -1 },
    { cell: 0, slot: 0.5 },
    { cell: 7, slot: 0 },
  ]) {
    assert.throws(() => indexOfPlace([2, 2], place), RangeError);
  }
});
