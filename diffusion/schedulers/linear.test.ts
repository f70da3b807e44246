import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { solveLinear } from './linear.ts';

const value = fc.double({ min: -10, max: 10, noNaN: true });

test('a solution satisfies its equations', () => {
  fc.assert(
    fc.property(fc.array(fc.array(value, { minLength: 3, maxLength: 3 }), { minLength: 3, maxLength: 3 }), (rows) => {
      // A dominant diagonal keeps the system solvable.
      const matrix = rows.map((row, i) =>
        row.map((entry, k) => (i === k ? entry + 40 * Math.sign(entry || 1) : entry)),
      );
      const solution = solveLinear(matrix, [1, 2, 3]);
      matrix.forEach((row, i) => {
        const sum = row.reduce((total, entry, k) => total + entry * solution[k]!, 0);
        assert.ok(Math.abs(sum - (i + 1)) < 1e-9);
      });
    }),
  );
});

test('rows are exchanged where a pivot is zero', () => {
  assert.deepEqual(
    solveLinear(
      [
        [0, 1],
        [2, 0],
      ],
      [3, 4],
    ),
    [2, 3],
  );
});
