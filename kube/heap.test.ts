import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from './heap.ts';

test('a heap gives back what was put in, smallest first', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (numbers) => {
      const heap = new Heap<string>();
      for (const number of numbers) heap.push(number, String(number));
      const sorted = numbers.toSorted((a, b) => a - b);
      assert.equal(heap.size, numbers.length);
      for (const number of sorted) {
        assert.equal(heap.peek()?.at, number);
        assert.deepEqual(heap.pop(), { at: number, value: String(number) });
      }
      assert.equal(heap.pop(), undefined);
    }),
  );
});
