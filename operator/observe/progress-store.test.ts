import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { QueueEvent } from '../../platform/queue/types.ts';
import { DIGEST } from '../../test/support/observed.ts';
import { createProgressStore } from './progress-store.ts';

const planOf = (uid: string, planDigest = DIGEST): QueueEvent => ({
  uid,
  kind: 'plan',
  event: { planDigest, samples: 2, shards: 1, cells: [{ id: 'sex=female', wanted: 2 }] },
});
const shardOf = (uid: string): QueueEvent => ({
  uid,
  kind: 'shard',
  event: { planDigest: DIGEST, shard: 0, cells: [] },
});
const liveOf = (uid: string): QueueEvent => ({
  uid,
  kind: 'live',
  event: { worker: 'w', shard: 0, cells: [], since: { seconds: 1, accepted: 0, attempts: 1 } },
});

/** A store whose datasets are `listed`, or not listed yet. */
function storeOf(listed: string[] | null) {
  const state = { listed, now: 0 };
  const ignored: string[] = [];
  const woken: string[] = [];
  const wakes: number[] = [];
  const store = createProgressStore({
    now: () => state.now,
    wake: (uid, seconds) => {
      woken.push(uid);
      wakes.push(state.now / 1000 + seconds);
    },
    isKnown: (uid) => state.listed?.includes(uid) ?? null,
    onIgnored: (why, { uid, kind }) => ignored.push(`${why} ${uid} ${kind}`),
  });
  return { state, ignored, woken, wakes, store };
}

describe('the progress of all datasets', () => {
  test('H4: an event of a dataset that nobody knows is dropped and counted', () => {
    const { store, ignored, woken } = storeOf(['known']);
    for (const event of [planOf, shardOf, liveOf]) store.take(event('stranger'), true);
    assert.deepEqual(
      ignored,
      ['plan', 'shard', 'live'].map((kind) => `unknownDataset stranger ${kind}`),
    );
    assert.deepEqual([store.size, woken], [0, []]);
    store.take(planOf('known'), true);
    assert.deepEqual([store.size, woken], [1, ['known']]);
    assert.equal(store.of('known').summary(0).plan?.digest, DIGEST);
  });

  test('H4: what is read before the datasets are listed is kept until they are, and then that of known ones alone', () => {
    const { store, state, ignored } = storeOf(null);
    for (const uid of ['known', 'stranger', 'late']) store.take(planOf(uid), false);
    assert.deepEqual([store.size, ignored], [3, []]);
    state.listed = ['known', 'late'];
    assert.equal(store.of('known').summary(0).plan?.digest, DIGEST);
    assert.equal(store.size, 2);
    assert.equal(store.of('late').summary(0).plan?.digest, DIGEST);
    store.take(shardOf('stranger'), true);
    assert.deepEqual(ignored, ['unknownDataset stranger shard']);
  });

  test('H4: a plan that contradicts the first one is counted', () => {
    const { store, ignored } = storeOf(['known']);
    store.take(planOf('known'), true);
    store.take(planOf('known', 'b'.repeat(64)), true);
    assert.deepEqual(ignored, ['contradictingPlan known plan']);
    assert.equal(store.of('known').summary(0).plan?.digest, DIGEST);
  });

  test('A7: a dataset whose workers report all the time is looked at every three seconds', () => {
    const { store, state, wakes } = storeOf(['known']);
    store.take(planOf('known'), true);
    for (; state.now < 60_000; state.now += 200) store.take(liveOf('known'), true);
    assert.deepEqual(
      wakes,
      Array.from({ length: 21 }, (_, i) => 3 * i),
    );
  });

  test('a report of a step wakes a dataset that is known, and keeps nothing of one that was forgotten', () => {
    const { store, wakes, ignored } = storeOf(['known']);
    const stepOf = (uid: string): QueueEvent => ({ uid, kind: 'step', event: { done: 1, all: 2 } });
    store.take(planOf('known'), true);
    store.take(stepOf('known'), true);
    assert.deepEqual(store.of('known').summary(0).steps, [{ done: 1, all: 2 }]);
    assert.deepEqual(wakes, [0, 3]);
    store.forget('known');
    store.take(stepOf('known'), true);
    store.take(stepOf('stranger'), true);
    assert.deepEqual([store.size, store.has('known'), wakes], [0, false, [0, 3]]);
    assert.deepEqual(ignored, ['unknownDataset stranger step']);
    // A stage that was added to a finished dataset, or changed.
    store.expectSteps('known');
    store.take(stepOf('known'), true);
    assert.deepEqual(store.of('known').summary(0).steps, [{ done: 1, all: 2 }]);
  });

  test('A7: a plan is news at once, also where a look is due soon', () => {
    const { store, state, wakes } = storeOf(['known']);
    store.take(liveOf('known'), true);
    state.now = 1000;
    store.take(planOf('known'), true);
    assert.deepEqual(wakes, [3, 1]);
  });
});
