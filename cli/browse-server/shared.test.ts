import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createShared } from './shared.ts';

/** A computation that ends when it is let. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const begun: AbortSignal[] = [];
  const compute = async (signal: AbortSignal): Promise<string> => {
    begun.push(signal);
    await promise;
    signal.throwIfAborted();
    return `result ${begun.length}`;
  };
  return { compute, begun, end: resolve };
}

const waits = () => new AbortController();

test('computations of any kind take turns, and equal ones are one', async () => {
  const shared = createShared(4);
  const [near, map] = [shared<string>(), shared<string>()];
  const [first, second] = [held(), held()];
  const one = near('a', waits().signal, first.compute);
  const same = near('a', waits().signal, first.compute);
  const other = map('a', waits().signal, second.compute);
  await turn();
  assert.deepEqual([first.begun.length, second.begun.length], [1, 0]);
  first.end();
  second.end();
  assert.deepEqual(await Promise.all([one, same, other]), ['result 1', 'result 1', 'result 1']);
  assert.equal(await near('a', waits().signal, first.compute), 'result 1', 'it is remembered');
  assert.deepEqual([first.begun.length, second.begun.length], [1, 1]);
});

test('a computation is cancelled when the last caller leaves, and not before', async () => {
  const near = createShared(4)<string>();
  const work = held();
  const [one, two] = [waits(), waits()];
  const results = Promise.allSettled([near('a', one.signal, work.compute), near('a', two.signal, work.compute)]);
  await turn();
  one.abort();
  assert.equal(work.begun[0]!.aborted, false);
  two.abort();
  assert.equal(work.begun[0]!.aborted, true);
  // Someone who comes now does not get the failure of those who left.
  const later = near('a', waits().signal, work.compute);
  work.end();
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(await later, 'result 2');
});

test('what was left before its turn is never begun, and failures are not remembered', async () => {
  const near = createShared(4)<string>();
  const [first, second] = [held(), held()];
  const gone = waits();
  const one = near('a', waits().signal, first.compute);
  const left = near('b', gone.signal, second.compute);
  gone.abort();
  first.end();
  await one;
  await assert.rejects(left, { name: 'AbortError' });
  assert.equal(second.begun.length, 0);
  await assert.rejects(
    near('c', waits().signal, () => Promise.reject(new Error('the store is away'))),
    /the store is away/,
  );
  second.end();
  assert.equal(await near('c', waits().signal, second.compute), 'result 1');
});

test('the results that were asked for least lately are forgotten', async () => {
  const near = createShared(2)<string>();
  const asked: string[] = [];
  const ask = (key: string) =>
    near(key, waits().signal, async () => {
      asked.push(key);
      return key;
    });
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(key);
  assert.deepEqual(asked, ['a', 'b', 'c', 'b']);
});
