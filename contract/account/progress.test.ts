import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { CellCount, PlanEvent, ShardEvent } from '../schema/task.ts';
import { Progress } from './progress.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const DIGEST = 'a'.repeat(64);
const PLAN: PlanEvent = {
  planDigest: DIGEST,
  samples: 12,
  shards: 3,
  cells: [
    { id: 'sex=female', wanted: 6 },
    { id: 'sex=male', wanted: 6 },
  ],
};

const count = (cell: number, accepted: number, rejected: Record<string, number> = {}): CellCount => ({
  cell,
  accepted,
  exhausted: 0,
  attempts: accepted + Object.values(rejected).reduce((sum, n) => sum + n, 0),
  rejected,
});
const shard = (n: number, planDigest = DIGEST): ShardEvent => ({
  planDigest,
  shard: n,
  cells: [count(0, 2, { sex: 1 }), count(1, 2)],
});

describe('progress', () => {
  test('counts are the same in whatever order events come, and however often', () => {
    const events = [() => PLAN, ...[0, 1, 2].map((n) => () => shard(n))];
    const orders = fc.array(fc.nat(events.length - 1), { minLength: 4, maxLength: 20 });
    fc.assert(
      fc.property(orders, (extra) => {
        const progress = new Progress();
        for (const i of [...extra, 0, 1, 2, 3]) {
          const event = events[i]!();
          if ('samples' in event) progress.addPlan(event);
          else progress.addShard(event, 1000);
        }
        const { samples, shardsCommitted, cells, rejected } = progress.summary(1000);
        assert.deepEqual(samples, { accepted: 12, exhausted: 0, attempts: 15 });
        assert.deepEqual(rejected, { sex: 3 });
        assert.equal(shardsCommitted, 3);
        assert.deepEqual(cells, { complete: 2, total: 2 });
        assert.deepEqual([...progress.missing()], []);
      }),
    );
  });

  test('nothing is missing before the plan is known, and then all that is not committed', () => {
    const progress = new Progress();
    progress.addShard(shard(1), null);
    assert.deepEqual([...progress.missing()], []);
    progress.addPlan(PLAN);
    assert.deepEqual([...progress.missing()], [0, 2]);
    assert.equal(progress.isCommitted(1), true);
  });

  test('a cell of which nearly everything is rejected is named with its gate, running work included', () => {
    const progress = new Progress();
    progress.addPlan(PLAN);
    const running = (rejections: number) => ({
      worker: 'w',
      shard: 0,
      cells: [count(0, 1, { sex: rejections, age: 3 }), count(1, 5)],
      since: { seconds: 2, accepted: 1, attempts: 50 },
    });
    progress.addLive(running(20), 1000);
    assert.equal(progress.summary(1000).tooLow, null);
    progress.addLive(running(60), 2000);
    const { tooLow } = progress.summary(2000);
    assert.equal(tooLow?.cell, 'sex=female');
    assert.equal(tooLow?.gate, 'sex');
    assert.equal(tooLow?.attempts, 64);
  });

  test('a running shard counts once when it is committed, and a silent worker is forgotten', () => {
    const progress = new Progress();
    progress.addPlan(PLAN);
    const live = {
      worker: 'w',
      shard: 0,
      cells: [count(0, 1, { sex: 9 })],
      since: { seconds: 2, accepted: 1, attempts: 10 },
    };
    progress.addLive(live, 1000);
    progress.addShard(shard(0), 2000);
    assert.equal(progress.summary(2000).worstCells[0]?.attempts, 3);
    progress.addLive({ ...live, shard: 1 }, 3000);
    assert.equal(progress.summary(3000).worstCells[0]?.attempts, 13);
    assert.equal(progress.summary(3000 + 180_000).worstCells[0]?.attempts, 3);
  });

  test('the rate is that of the last minute', () => {
    const progress = new Progress();
    for (let second = 0; second <= 120; second += 2) {
      progress.addLive(
        { worker: 'w', shard: 0, cells: [], since: { seconds: 2, accepted: second < 60 ? 100 : 4, attempts: 4 } },
        second * 1000,
      );
    }
    const { imagesPerSecond } = progress.summary(120_000);
    assert.ok(Math.abs(imagesPerSecond - 2) < 0.2, `${imagesPerSecond}`);
    assert.equal(progress.summary(300_000).imagesPerSecond, 0);
  });
});

test('H4: a stored message cannot slow the operator down or enter its sums', () => {
  const progress = new Progress();
  progress.addPlan(PLAN);
  const stranger = (cell: number): CellCount => ({ ...count(0, 1), cell });
  progress.addShard({ planDigest: DIGEST, shard: 0, cells: [stranger(2 ** 32 - 2), count(0, 2)] }, null);
  const started = performance.now();
  const { samples, worstCells } = progress.summary(0);
  assert.ok(performance.now() - started < 1000, 'the time does not grow with the ordinal');
  assert.deepEqual(samples, { accepted: 2, exhausted: 0, attempts: 2 });
  assert.deepEqual(
    worstCells.map(({ cell }) => cell),
    ['sex=female'],
  );
});

test('H4: forged gate names do not pile up', () => {
  const progress = new Progress();
  progress.addPlan(PLAN);
  for (let n = 0; n < 3; n++) {
    const rejected = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`gate-${n}-${i}`, 1]));
    progress.addShard({ planDigest: DIGEST, shard: n, cells: [count(0, 1, rejected)] }, null);
  }
  // 32 gates, degenerate and pair.
  assert.ok(Object.keys(progress.summary(0).rejected).length <= 34);
});

describe('H4: a plan that contradicts the accepted one', () => {
  const FORGED = 'b'.repeat(64);
  const FORGED_PLANS: readonly PlanEvent[] = [
    { ...PLAN, planDigest: FORGED, shards: 9_000_000, samples: 1_000_000_000 },
    { ...PLAN, shards: 9 },
    { ...PLAN, samples: 13 },
    { ...PLAN, cells: [{ id: 'sex=female', wanted: 12 }] },
    { ...PLAN, cells: [PLAN.cells[0]!, { id: 'sex=other', wanted: 6 }] },
  ];
  /** Plans that the status can distinguish from the accepted one: it holds no cells, which decide nothing but the report. */
  const OTHERS = FORGED_PLANS.slice(0, 3);
  const ACCEPTED = { digest: DIGEST, samples: 12, shards: 3 };

  test('changes nothing, and is named', () => {
    for (const forged of FORGED_PLANS) {
      const progress = new Progress();
      assert.equal(progress.addPlan(PLAN), true);
      progress.addShard(shard(0), 1);
      const before = progress.summary(1);
      assert.equal(before.ignoredPlan, null);
      assert.equal(progress.addPlan(forged), false);
      progress.addShard(shard(1, FORGED), 1);
      assert.deepEqual(progress.summary(1), { ...before, ignoredPlan: forged.planDigest });
      assert.deepEqual([...progress.missing()], [1, 2]);
      assert.equal(progress.addPlan(structuredClone(PLAN)), true, 'the same plan again is none');
    }
  });

  test('is dropped although it was all that an operator that starts has read, and the shards of the accepted one are kept', () => {
    for (const forged of OTHERS) {
      const progress = new Progress();
      progress.addShard(shard(2), null);
      progress.addPlan(forged);
      progress.addShard(shard(0, FORGED), null);
      progress.accept(ACCEPTED);
      const { plan, ignoredPlan } = progress.summary(1);
      assert.deepEqual([plan, ignoredPlan], [null, forged.planDigest]);
      assert.deepEqual([...progress.missing()], [], 'nothing is filled in for it');
      assert.equal(progress.addPlan(PLAN), true);
      assert.deepEqual([...progress.missing()], [0, 1]);
      assert.equal(progress.summary(1).ignoredPlan, null);
    }
  });

  test('makes no difference to the sums, at any time and with any shards', () => {
    const events: ((progress: Progress) => void)[] = [
      (progress) => progress.addPlan(PLAN),
      ...[0, 1, 2].map((n) => (progress: Progress) => progress.addShard(shard(n), 1)),
    ];
    const forgeries: ((progress: Progress) => void)[] = [
      ...OTHERS.map((plan) => (progress: Progress) => progress.addPlan(plan)),
      ...[0, 1, 2, 7].map((n) => (progress: Progress) => progress.addShard(shard(n, FORGED), 1)),
    ];
    const honest = new Progress();
    honest.accept(ACCEPTED);
    for (const event of events) event(honest);
    const order = fc.shuffledSubarray([...events, ...forgeries], { minLength: events.length + forgeries.length });
    fc.assert(
      fc.property(order, fc.nat(events.length + forgeries.length), (all, at) => {
        const progress = new Progress();
        all.forEach((event, i) => {
          if (i === at) progress.accept(ACCEPTED);
          event(progress);
        });
        progress.accept(ACCEPTED);
        progress.addPlan(PLAN); // The workers of the next round say it again.
        const { ignoredPlan: _, ...sums } = progress.summary(1);
        const { samples, rejected, shardsCommitted, cells } = sums;
        const wanted = honest.summary(1);
        assert.deepEqual(
          { samples, rejected, shardsCommitted, cells },
          {
            samples: wanted.samples,
            rejected: wanted.rejected,
            shardsCommitted: wanted.shardsCommitted,
            cells: wanted.cells,
          },
        );
        assert.deepEqual([...progress.missing()], []);
      }),
    );
  });

  test('nor does a shard that the plan does not have', () => {
    const progress = new Progress();
    progress.addShard({ ...shard(3), cells: [] }, null);
    progress.addPlan(PLAN);
    progress.addShard(shard(4), null);
    const { shardsCommitted, samples } = progress.summary(1);
    assert.deepEqual([shardsCommitted, samples.accepted], [0, 0]);
  });

  test('takes no room for each that is invented', () => {
    const progress = new Progress();
    progress.addPlan(PLAN);
    const digests = Array.from({ length: 50_000 }, (_, i) => i.toString(16).padStart(64, 'c'));
    const heapUsed = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = heapUsed();
    for (const digest of digests) {
      progress.addPlan({ ...PLAN, planDigest: digest });
      progress.addShard(shard(0, digest), 1);
    }
    progress.addShard(shard(0), 1);
    assert.equal(progress.summary(1).shardsCommitted, 1, 'that of the plan is counted, however many came before');
    const kept = heapUsed() - before;
    assert.ok(kept < 5e6, `${kept} bytes are kept`);
  });
});

test('the publish pod and stages are as far as they last reported, and no more once they are silent', () => {
  const progress = new Progress();
  const steps = (now: number) => progress.summary(now).steps;
  assert.deepEqual(steps(0), []);
  progress.addStep({ done: 1, all: 9 }, 1000);
  progress.addStep({ stage: 'pretrain', done: 10, all: 400, secondsLeft: 60 }, 2000);
  progress.addStep({ done: 2, all: 9 }, 2000);
  assert.deepEqual(steps(2000), [
    { done: 2, all: 9 },
    { stage: 'pretrain', done: 10, all: 400, secondsLeft: 60 },
  ]);
  // A forged stage name cannot displace a stage that reports already, and the number of names is bounded.
  for (let i = 0; i < 1000; i++) progress.addStep({ stage: `s-${i}`, done: 1, all: 2 }, 3000);
  assert.equal(steps(3000).length, 64);
  assert.deepEqual(steps(3000 + 180_000), []);
});
