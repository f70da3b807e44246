import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ahead, workAhead } from './ahead.ts';

/** Doubles numbers, later ones faster, and notes how much was held at once. */
async function runAll(numbers: readonly number[], bounds: Ahead<number>) {
  let [held, most, heaviest] = [0, 0, 0];
  const results: number[] = [];
  const run = async (n: number): Promise<number> => {
    held++;
    await sleep(numbers.length - n);
    return 2 * n;
  };
  let weight = 0;
  const weighed = async (n: number): Promise<number> => {
    weight += n;
    heaviest = Math.max(heaviest, weight);
    most = Math.max(most, held + 1);
    return run(n);
  };
  for await (const result of workAhead(numbers, weighed, bounds)) {
    results.push(result);
    await sleep(1);
    held--;
    weight -= result / 2;
  }
  return { results, most, heaviest };
}

describe('work ahead', () => {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const doubled = numbers.map((n) => 2 * n);

  test('results come in order, and no more than so many are held', async () => {
    for (const items of [1, 3, 100]) {
      const { results, most } = await runAll(numbers, { items });
      assert.deepEqual(results, doubled);
      assert.equal(most, Math.min(items, numbers.length));
    }
  });

  test('together they weigh no more than allowed, but for one that is heavier by itself', async () => {
    const { results, heaviest } = await runAll(numbers, { items: 100, weight: 12, weightOf: (n) => n });
    assert.deepEqual(results, doubled);
    assert.ok(heaviest <= 12 && heaviest >= 10, `${heaviest}`);
    assert.equal((await runAll(numbers, { items: 100, weight: 5, weightOf: (n) => n })).heaviest, 9);
  });

  test('a failure surfaces in its turn, after the results before it', async () => {
    const results: number[] = [];
    const run = async (n: number): Promise<number> => {
      if (n >= 2) throw new Error(`no ${n}`);
      await sleep(5);
      return n;
    };
    await assert.rejects(async () => {
      for await (const result of workAhead(numbers, run, { items: 4 })) results.push(result);
    }, /no 2/);
    assert.deepEqual(results, [0, 1]);
  });
});
