import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { samplesBetween, seedOf } from '../contract/plan/plan.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, smallDataset } from '../test/support/dataset.ts';
import { createKeeper, type RejectedImage } from './rejected-store.ts';
import { runShard } from './run-shard.ts';

const LIMIT = 20;
const plan = planOf(
  smallDataset((spec) => {
    spec.quota.samples = 400;
    spec.quality = { ...spec.quality, keepRejected: LIMIT };
  }),
);
const [first] = samplesBetween(plan, 0, 1);

const rejected = (attempt: number): RejectedImage => ({
  attempt: { sample: first!, attempt, seed: seedOf(plan, 0, attempt % 8), rejected: [] },
  refusal: { gate: 'sex', scores: { sex: 0.1 } },
  encode: async () => Buffer.from(`image ${attempt}`),
});

/** A store that counts the calls of each method, and takes a given time for each. */
async function counting(t: TestContext, slowMs = 0) {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const calls = { create: 0, get: 0, list: 0 };
  const open = (): ObjectStore => {
    const store = openStore(dir);
    const [create, get, list] = [store.create.bind(store), store.get.bind(store), store.list.bind(store)];
    const isRejected = (key: string): boolean => key.startsWith('rejected/');
    store.create = async (key, ...rest) => {
      if (isRejected(key)) {
        calls.create++;
        await sleep(slowMs);
      }
      return create(key, ...rest);
    };
    store.get = (key, range) => {
      if (isRejected(key)) calls.get++;
      return get(key, range);
    };
    store.list = (prefix) => {
      if (isRejected(prefix)) calls.list++;
      return list(prefix);
    };
    return store;
  };
  return { open, calls, reset: () => Object.assign(calls, { create: 0, get: 0, list: 0 }) };
}

async function keptIn(store: ObjectStore): Promise<string[]> {
  return (await Array.fromAsync(store.list('rejected/'))).map(({ key }) => key);
}

test('M12: a fresh worker finds a full cell by one listing', async (t) => {
  const { open, calls, reset } = await counting(t);
  const keeper = createKeeper(plan, open());
  for (let i = 0; i < LIMIT; i++) await keeper.keep(rejected(i));
  assert.equal((await keptIn(open())).length, 2 * LIMIT);
  reset();
  const next = createKeeper(plan, open());
  assert.equal(next.wants(first!.cell), true, 'it does not know yet');
  for (let i = 0; i < 50; i++) await next.keep(rejected(100 + i));
  assert.equal(next.wants(first!.cell), false);
  assert.deepEqual(calls, { create: 0, get: 0, list: 1 });
});

test('an entry of a killed worker gets its image, and none is kept twice', async (t) => {
  const { open } = await counting(t);
  const keeper = createKeeper(plan, open());
  for (let i = 0; i < 3; i++) await keeper.keep(rejected(i));
  const image = (await keptIn(open())).find((key) => key.endsWith('0001.png'))!;
  await open().remove([image]);
  const next = createKeeper(plan, open());
  for (let i = 0; i < 5; i++) await next.keep(rejected(i));
  const kept = await keptIn(open());
  assert.equal(kept.length, 10);
  assert.equal(`${Buffer.from((await open().get(image))!)}`, 'image 1');
});

test('several workers together keep no more than asked', async (t) => {
  const { open } = await counting(t);
  const keepers = [0, 1, 2].map(() => createKeeper(plan, open()));
  for (let i = 0; i < 15; i++) await Promise.all(keepers.map((keeper, k) => keeper.keep(rejected(1000 * k + i))));
  const kept = await keptIn(open());
  assert.equal(kept.length, 2 * LIMIT);
  const texts = await Promise.all(
    kept.filter((key) => key.endsWith('.json')).map(async (key) => `${await open().get(key)}`),
  );
  assert.equal(new Set(texts).size, LIMIT);
});

test('shards at the same time fill the places of a cell once, from one listing', async (t) => {
  const { open, calls } = await counting(t, 5);
  const keeper = createKeeper(plan, open());
  await Promise.all(Array.from({ length: 2 * LIMIT }, (_, i) => keeper.keep(rejected(i % LIMIT))));
  assert.deepEqual(calls, { create: 2 * LIMIT, get: 0, list: 1 });
  assert.equal((await keptIn(open())).length, 2 * LIMIT);
  assert.equal(keeper.wants(first!.cell), false);
});

test('a place that could not be written stays free', async (t) => {
  const { open } = await counting(t);
  const store = open();
  const create = store.create;
  store.create = () => Promise.reject(new Error('the store is away'));
  const keeper = createKeeper(plan, store);
  await assert.rejects(keeper.keep(rejected(0)), /away/);
  store.create = create;
  for (let i = 0; i < LIMIT; i++) await keeper.keep(rejected(i));
  assert.equal((await keptIn(open())).length, 2 * LIMIT);
});

test('M12: no batch waits for an image to be kept', async (t) => {
  const slow = 150;
  const { open, calls } = await counting(t, slow);
  const store = open();
  let [begun, longest, last] = [0, 0, performance.now()];
  const context = drawingContext(plan, store, {
    onBatch: () => {
      longest = begun++ === 0 ? 0 : Math.max(longest, performance.now() - last);
      last = performance.now();
    },
  });
  await runShard(context, 0);
  assert.ok(calls.create >= 4, `${calls.create} objects were written`);
  assert.ok(longest < slow, `a batch took ${longest} ms`);
  const kept = await keptIn(store);
  assert.equal(kept.length, calls.create, 'all are there once the shard is committed');
});
