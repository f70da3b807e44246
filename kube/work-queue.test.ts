import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../test/support/clock.ts';
import { WorkQueue, type WorkQueueOptions } from './work-queue.ts';

const BACKOFF = { firstMs: 1000, maxMs: 60_000 };

function queueWith(options: Partial<WorkQueueOptions> & Pick<WorkQueueOptions, 'work'>) {
  const clock = new FakeClock();
  const defaults = { concurrency: 2, minIntervalMs: 0, backoff: BACKOFF, clock, random: () => 0 };
  return { clock, queue: new WorkQueue({ ...defaults, ...options }) };
}

/** Work that takes `ms`, and when each turn of a key began. */
function timed(clock: () => FakeClock, ms: number) {
  const turns: [string, number][] = [];
  const work = async (key: string) => {
    turns.push([key, clock().now()]);
    if (ms > 0) await new Promise<void>((resolve) => clock().after(ms, resolve));
    return {};
  };
  return { turns, work };
}

describe('a work queue', () => {
  it('works on a key at once, and once however often it was added while it waited', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work, concurrency: 1 });
    queue.add('first');
    for (let i = 0; i < 5; i++) queue.add('second');
    assert.equal(queue.depth, 1);
    await clock.advance(100);
    assert.deepEqual(turns, [
      ['first', 0],
      ['second', 10],
    ]);
  });

  it('gives a key that was added while it was worked on another turn afterwards', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work });
    queue.add('a');
    await clock.advance(5);
    queue.add('a');
    await clock.advance(100);
    assert.deepEqual(turns, [
      ['a', 0],
      ['a', 10],
    ]);
  });

  it('comes back after the time that the work asked for, or earlier when the key is added', async () => {
    const starts: number[] = [];
    const { clock, queue } = queueWith({
      work: async () => {
        starts.push(clock.now());
        return { requeueAfter: 30 };
      },
    });
    queue.add('a');
    await clock.advance(40_000);
    queue.add('a');
    await clock.advance(40_000);
    assert.deepEqual(starts, [0, 30_000, 40_000, 70_000]);
  });

  it('takes the earliest of several wishes', async () => {
    const { turns, work } = timed(() => clock, 0);
    const { clock, queue } = queueWith({ work });
    queue.addAfter('a', 20);
    queue.addAfter('a', 5);
    queue.addAfter('a', 10);
    await clock.advance(60_000);
    assert.deepEqual(turns, [['a', 5000]]);
  });

  it('keeps the minimum interval between two turns of one key, not of two', async () => {
    const { turns, work } = timed(() => clock, 0);
    const { clock, queue } = queueWith({ work, minIntervalMs: 500 });
    queue.add('a');
    await clock.advance(100);
    queue.add('a');
    queue.add('b');
    await clock.advance(1000);
    assert.deepEqual(turns, [
      ['a', 0],
      ['b', 100],
      ['a', 500],
    ]);
  });

  it('doubles its pause after each failure up to the bound, and forgets failures after a success', async () => {
    let failing = 8;
    const starts: number[] = [];
    const reported: number[] = [];
    const { clock, queue } = queueWith({
      work: async () => {
        starts.push(clock.now() / 1000);
        if (failing-- > 0) throw new Error('not yet');
        return {};
      },
      onFailure: (_key, _error, retryInMs) => reported.push(retryInMs / 1000),
    });
    queue.add('a');
    await clock.advance(600_000);
    assert.deepEqual(reported, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert.deepEqual(starts, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    failing = 1;
    queue.add('a');
    await clock.advance(10_000);
    assert.equal(reported.at(-1), 1);
  });

  it('takes up to half off a pause, but never comes back earlier than the server asked', async () => {
    const reported: number[] = [];
    let error: object = new Error('not yet');
    const { clock, queue } = queueWith({
      work: async () => {
        throw error;
      },
      random: () => 0.5,
      onFailure: (_key, _error, retryInMs) => reported.push(retryInMs),
    });
    queue.add('a');
    await clock.advance(0);
    error = Object.assign(new Error('too many requests'), { retryAfterSeconds: 7 });
    await clock.advance(1000);
    assert.deepEqual(reported, [750, 7000]);
  });

  it('begins nothing more once stopped, and waits for what runs', async () => {
    const { turns, work } = timed(() => clock, 100);
    const { clock, queue } = queueWith({ work, concurrency: 1 });
    queue.add('a');
    queue.add('b');
    let stopped = false;
    const stop = queue.stop().then(() => {
      stopped = true;
    });
    await clock.advance(99);
    assert.equal(stopped, false);
    assert.equal(queue.longestRunMs, 99);
    await clock.advance(1);
    await stop;
    queue.add('c');
    await clock.advance(1000);
    assert.deepEqual(
      turns.map(([key]) => key),
      ['a'],
    );
  });

  it('forgets keys that nobody asks for any more', async () => {
    const { work } = timed(() => clock, 1);
    const { clock, queue } = queueWith({ work, minIntervalMs: 50, concurrency: 8 });
    for (let i = 0; i < 1000; i++) queue.add(`key-${i}`);
    await clock.advance(10_000);
    assert.equal(queue.size, 0);
  });
});

/** One outside event on a queue, after a pause. */
const happenings = fc.array(
  fc.record({
    pauseMs: fc.nat(400),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    afterMs: fc.oneof(fc.constant(0), fc.nat(2000)),
    how: fc.constantFrom('after' as const, 'first' as const, 'idle' as const),
  }),
  { maxLength: 60 },
);
/** The outcome of each turn, in a cycle. */
const outcomes = fc.array(
  fc.record({ takesMs: fc.nat(300), fails: fc.boolean(), requeueAfter: fc.option(fc.nat(3), { nil: undefined }) }),
  { minLength: 1, maxLength: 10 },
);

describe('whatever happens to a work queue', () => {
  it('no key runs twice at once, the bounds hold, and no wish is lost', async () => {
    await fc.assert(
      fc.asyncProperty(happenings, outcomes, fc.integer({ min: 1, max: 3 }), async (events, plan, concurrency) => {
        const minIntervalMs = 100;
        const running = new Set<string>();
        const starts = new Map<string, number[]>();
        let turn = 0;
        const { clock, queue } = queueWith({
          concurrency,
          minIntervalMs,
          backoff: { firstMs: 200, maxMs: 1000 },
          work: async (key) => {
            assert.ok(!running.has(key), `${key} runs twice at once`);
            running.add(key);
            assert.ok(running.size <= concurrency);
            const before = starts.get(key) ?? [];
            if (before.length > 0) assert.ok(clock.now() - before.at(-1)! >= minIntervalMs);
            starts.set(key, [...before, clock.now()]);
            // After a while every turn succeeds and no key is added, so that the queue comes to rest.
            const { takesMs, fails, requeueAfter } = turn < 60 ? plan[turn++ % plan.length]! : quiet;
            await new Promise<void>((resolve) => clock.after(takesMs, resolve));
            running.delete(key);
            if (fails) throw new Error('fails');
            return requeueAfter === undefined ? {} : { requeueAfter };
          },
        });
        const made = new Map<string, number>();
        for (const { pauseMs, key, afterMs, how } of events) {
          await clock.advance(pauseMs);
          if (how === 'first') queue.addFirst(key);
          else if (how === 'idle') queue.addIdle(key);
          else queue.addAfter(key, afterMs / 1000);
          made.set(key, clock.now());
        }
        await clock.advance(600_000);
        // Level-driven: after each wish a turn began that sees what the wish was about.
        for (const [key, at] of made) {
          const last = starts.get(key)?.at(-1) ?? Number.NEGATIVE_INFINITY;
          assert.ok(last >= at, `${key} was wanted at ${at}, and ran last at ${last}`);
        }
        assert.equal(queue.depth, 0);
        assert.equal(queue.size, 0);
        assert.equal(running.size, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('A24: serves idle keys when no other is due, and each of them in the end', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work, concurrency: 1 });
    for (let i = 0; i < 100; i++) queue.addIdle(`old-${i}`);
    assert.equal(queue.depth, 99);
    await clock.advance(5);
    queue.add('new');
    await clock.advance(10);
    assert.deepEqual(turns.at(-1), ['new', 10]);
    // However busy it is, an idle key has its turn now and then.
    const busy = setTurns(queue, 40);
    await clock.advance(400);
    const idle = turns.slice(2, 42).filter(([key]) => key.startsWith('old-'));
    assert.ok(idle.length >= 4 && idle.length <= 6, `${idle.length} of 40 turns, with ${busy} keys due`);
    await clock.advance(2000);
    assert.equal(new Set(turns.map(([key]) => key)).size, 141);
    assert.equal(queue.depth, 0);
  });

  it('A24: serves what a person waits for before all that is overdue, in the order in which it came', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work, concurrency: 1 });
    setTurns(queue, 100);
    await clock.advance(15);
    queue.addFirst('new-1');
    queue.addFirst('busy-99');
    await clock.advance(1);
    queue.addFirst('new-2');
    await clock.advance(30);
    assert.deepEqual(
      turns
        .slice(2, 5)
        .map(([key]) => key)
        .toSorted(),
      ['busy-99', 'new-1', 'new-2'],
    );
    assert.equal(turns[4]![0], 'new-2');
    await clock.advance(2000);
    assert.equal(turns.length, 102);
  });

  it('leaves one turn in eight to what is due, however many others a person waits for', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work, concurrency: 1 });
    for (let i = 0; i < 400; i++) queue.addFirst(`new-${i}`);
    setTurns(queue, 20);
    await clock.advance(800);
    const busy = turns.filter(([key]) => key.startsWith('busy-'));
    assert.ok(busy.length >= 9 && busy.length <= 11, `${busy.length} of ${turns.length} turns`);
    await clock.advance(10_000);
    assert.equal(turns.length, 420);
    assert.equal(queue.size, 0);
  });

  it('A24: takes an idle key once, that is also added, or is being worked on', async () => {
    const { turns, work } = timed(() => clock, 10);
    const { clock, queue } = queueWith({ work, concurrency: 1, minIntervalMs: 50 });
    queue.add('a');
    queue.addIdle('b');
    queue.add('b');
    queue.addIdle('a');
    await clock.advance(1000);
    assert.deepEqual(turns, [
      ['a', 0],
      ['b', 10],
      ['a', 50],
    ]);
  });
});

function setTurns(queue: WorkQueue, keys: number): number {
  for (let i = 0; i < keys; i++) queue.add(`busy-${i}`);
  return keys;
}

const quiet = { takesMs: 1, fails: false, requeueAfter: undefined };
