import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cosineDistance } from '../../platform/cosine.ts';
import { toHalf } from '../../platform/half.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import { openNearest } from './nearest.ts';

/** Numbers that only `seed` decides, between -1 and 1. */
function numbers(count: number, seed: number): Uint16Array {
  let state = seed;
  const values = Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const bits = new Uint16Array(count);
  toHalf(values, bits);
  return bits;
}

const row = ({ bits, columns }: HalfMatrix, i: number): Uint16Array => bits.subarray(i * columns, (i + 1) * columns);

test('the search finds what comparing with every row finds, over several products too', async () => {
  for (const rows of [1, 2, 1000, 70_000]) {
    const matrix = { rows, columns: 8, bits: numbers(rows * 8, rows) };
    const vectors = Array.from({ length: 5 }, (_, i) => numbers(8, i + 1e6));
    const found = await (await openNearest(matrix, { threads: 1 }))(vectors);
    for (const [i, vector] of vectors.entries()) {
      let best = { row: -1, distance: 3 };
      for (let at = 0; at < rows; at++) {
        const distance = cosineDistance(vector, row(matrix, at));
        if (distance < best.distance) best = { row: at, distance };
      }
      assert.equal(found[i]!.distance, best.distance);
    }
  }
});

test('a copy has the distance 0 at any scale, and its opposite 2', async () => {
  const matrix = { rows: 2, columns: 2, bits: Uint16Array.of(0x3c00, 0x3c00, 0xbc00, 0x3c00) };
  const search = await openNearest(matrix, {});
  const [copy] = await search([Uint16Array.of(0x4000, 0x4000)]);
  assert.ok(copy!.row === 0 && copy!.distance < 1e-15);
  assert.equal(cosineDistance(Uint16Array.of(0x3c00, 0), Uint16Array.of(0xbc00, 0)), 2);
  assert.equal(cosineDistance(Uint16Array.of(0, 0), Uint16Array.of(0xbc00, 0)), 1);
  assert.deepEqual(await search([]), []);
});
