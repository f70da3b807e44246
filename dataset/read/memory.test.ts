import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limited, memoize } from './memory.ts';

test('calls for one key share the work, and the least recently used result is forgotten', async () => {
  const computed: number[] = [];
  const square = memoize(2, async (n: number) => {
    computed.push(n);
    return n * n;
  });
  assert.deepEqual(await Promise.all([square(1), square(1), square(2)]), [1, 1, 4]);
  await square(1);
  await square(3); // forgets 2
  await square(1);
  await square(2);
  assert.deepEqual(computed, [1, 2, 3, 2]);
});

test('a failure and a result that does not last are not remembered', async () => {
  let calls = 0;
  const flaky = memoize(
    10,
    async (key: string) => {
      calls++;
      if (key === 'fails' && calls === 1) throw new Error('once');
      return key;
    },
    (value) => value !== 'passes',
  );
  await assert.rejects(flaky('fails'), /once/);
  assert.equal(await flaky('fails'), 'fails');
  await flaky('passes');
  await flaky('passes');
  await flaky('fails');
  assert.equal(calls, 4);
});

test('no more calls run at once than allowed, and a failure gives its place back', async () => {
  const run = limited(3);
  let [running, most] = [0, 0];
  const jobs = Array.from({ length: 20 }, (_, i) =>
    run(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (i % 4 === 0) throw new Error('fails');
      return i;
    }),
  );
  const results = await Promise.allSettled(jobs);
  assert.equal(most, 3);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 15);
});
