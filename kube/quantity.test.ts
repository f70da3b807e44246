import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeOf } from './quantity.ts';

test('whole amounts are read as Kubernetes writes them, and what is none counts as nothing', () => {
  const amounts = ['2', 2, '+2', '16k', '2.3k', '3Gi', '1e3', '2E2', '1000m', '.5k', '1M'];
  assert.deepEqual(amounts.map(wholeOf), [2, 2, 2, 16_000, 2300, 3 * 2 ** 30, 1000, 200, 1, 500, 1e6]);
  const none = ['', 'two', '-1', '1kk', '1e', '0x10', '9E', 'Infinity', Number.NaN, '1e999'];
  assert.deepEqual(
    none.map(wholeOf),
    none.map(() => 0),
  );
});
