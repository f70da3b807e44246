import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createQueueObserver } from './queue.ts';

const STATE = { messages: 1, available: 1, inFlight: 0, parked: 0, added: 1, filledFor: null, created: '' };

test('a queue that is unreachable for a moment is not reported, one that stays so is, and one that is back counts from zero', async () => {
  let [now, problem]: [number, string | null] = [0, null];
  const queue = {
    get problem() {
      return problem;
    },
    state: async () => STATE,
  };
  const { observe } = createQueueObserver({ queue, isCurrent: () => true, now: () => now });
  const stateAt = async (seconds: number, trouble: string | null) => {
    now = seconds * 1000;
    problem = trouble;
    return (await observe('uid')).state;
  };
  const seen = [
    await stateAt(0, null),
    await stateAt(1, 'refused'),
    await stateAt(10, 'refused'),
    await stateAt(11, 'refused'),
    await stateAt(12, null),
    await stateAt(13, 'refused'),
  ];
  assert.deepEqual(seen, ['ready', 'settling', 'settling', 'unreachable', 'ready', 'settling']);
});

test('B: of a dataset for which nothing was made yet the server is not asked, and is reported away all the same', async () => {
  const unasked = async () => assert.fail('asked');
  const queue = { problem: null as string | null, state: unasked };
  const clock = { now: 0 };
  const observer = createQueueObserver({ queue, isCurrent: () => true, now: () => clock.now });
  assert.deepEqual(await observer.observe('new', true), { state: 'missing' });
  queue.problem = 'no server';
  assert.deepEqual(await observer.observe('new', true), { state: 'settling' });
  clock.now = 20_000;
  assert.deepEqual(await observer.observe('new', true), { state: 'unreachable', message: 'no server' });
});

test('A23: the sick stream of one dataset is reported, however many others are well', async () => {
  let now = 0;
  const state = async (uid: string) => {
    if (uid === 'sick') throw new Error('stream is offline');
    return STATE;
  };
  const { observe } = createQueueObserver({
    queue: { problem: null, state },
    isCurrent: () => true,
    now: () => now,
  });
  const seen = [];
  for (now = 0; now <= 12_000; now += 2000) {
    await observe('well');
    seen.push((await observe('sick')).state);
  }
  assert.deepEqual(seen.slice(-3), ['settling', 'unreachable', 'unreachable']);
});
