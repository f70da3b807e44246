import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CellTally } from '../schema/record.ts';
import { sumTallies, tallyFault, totals } from './tally.ts';

const tally = (cell: string, accepted: number, exhausted: number, rejected: Record<string, number>): CellTally => ({
  cell,
  wanted: accepted + exhausted,
  accepted,
  exhausted,
  attempts: accepted + Object.values(rejected).reduce((sum, n) => sum + n, 0),
  rejected,
});

const arb = fc
  .tuple(
    fc.constantFrom('a', 'b', 'c'),
    fc.nat(50),
    fc.nat(5),
    fc.dictionary(fc.constantFrom('sex', 'age', 'constructor', 'to-string', 'degenerate'), fc.nat(9), {
      noNullPrototype: true,
    }),
  )
  .map((parts) => tally(...parts));

test('by hand: two parts of one shard', () => {
  const parts = [tally('x', 3, 0, { sex: 1 }), tally('y', 1, 1, { sex: 8 }), tally('x', 2, 0, { age: 4 })];
  assert.deepEqual(sumTallies(parts), [tally('x', 5, 0, { sex: 1, age: 4 }), tally('y', 1, 1, { sex: 8 })]);
  assert.deepEqual(totals(parts), { wanted: 7, accepted: 6, exhausted: 1, attempts: 19, rejected: { sex: 9, age: 4 } });
  assert.deepEqual(totals([]), { wanted: 0, accepted: 0, exhausted: 0, attempts: 0, rejected: {} });
});

test('sums account for everything, in whatever parts they come, and leave the parts as they are', () => {
  fc.assert(
    fc.property(fc.array(arb, { maxLength: 12 }), fc.nat(12), (tallies, cut) => {
      const before = structuredClone(tallies);
      const whole = sumTallies(tallies);
      assert.deepEqual(tallies, before);
      for (const sum of whole) assert.equal(tallyFault(sum), null);
      const halves = [sumTallies(tallies.slice(0, cut)), sumTallies(tallies.slice(cut))];
      assert.deepEqual(sumTallies(halves.flat()), whole);
      assert.equal(
        totals(whole).attempts,
        tallies.reduce((sum, { attempts }) => sum + attempts, 0),
      );
    }),
  );
});

test('a tally that contradicts itself says how', () => {
  assert.equal(tallyFault({ ...tally('x', 3, 1, {}), wanted: 5 }), 'cell x: 5 wanted, but 3 accepted and 1 exhausted');
  assert.equal(
    tallyFault({ ...tally('x', 3, 0, { a: 2 }), attempts: 4 }),
    'cell x: 4 attempts, but 3 accepted and 2 rejected',
  );
});
