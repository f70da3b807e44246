import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumTallies } from '../contract/account/tally.ts';
import type { ShardRecord } from '../contract/schema/record.ts';
import { liveEventSchema, planEventSchema, shardEventSchema } from '../contract/schema/task.ts';
import { planOf, smallDataset } from '../test/support/dataset.ts';
import { LiveReporter, planEventOf, shardEventOf } from './live-reporter.ts';

const plan = planOf(smallDataset());

test('a plan event names every cell with its quota', () => {
  const event = planEventSchema.parse(planEventOf(plan));
  assert.equal(event.cells.length, 4);
  assert.equal(
    event.cells.reduce((sum, { wanted }) => sum + wanted, 0),
    24,
  );
  assert.deepEqual(
    event.cells.map(({ id }) => id),
    plan.allocation.grid.cells.map(({ id }) => id),
  );
});

test("a shard event counts what the record counts, by the plan's numbers", () => {
  const { cells: grid } = plan.allocation.grid;
  const tally = { wanted: 3, accepted: 2, exhausted: 1, attempts: 12, rejected: { sex: 10 } };
  const cells = sumTallies([2, 0].map((i) => ({ cell: grid[i]!.id, ...tally })));
  const record = { planDigest: plan.digest, shard: 1, cells } as unknown as ShardRecord;
  const event = shardEventSchema.parse(shardEventOf(plan, record));
  const { wanted: _wanted, ...counts } = tally;
  assert.deepEqual(event.cells, [
    { cell: 2, ...counts },
    { cell: 0, ...counts },
  ]);
});

test('live reports add up the shard at hand, and say what came since the last', () => {
  const sent: unknown[] = [];
  let now = 100;
  const reporter = new LiveReporter(
    'pod-1',
    (event) => sent.push(liveEventSchema.parse(event)),
    () => now,
  );
  const count = { cell: 1, accepted: 1, exhausted: 0, attempts: 2, rejected: { sex: 1 } };
  const batch = { shard: 5, attempts: 2, accepted: 1, rejected: { sex: 1 }, cells: [count] };
  reporter.report();
  reporter.begin(5);
  reporter.add(batch);
  now = 102;
  reporter.report();
  reporter.add(batch);
  now = 105;
  reporter.report();
  reporter.end(5);
  reporter.report();
  const doubled = { cell: 1, accepted: 2, exhausted: 0, attempts: 4, rejected: { sex: 2 } };
  assert.deepEqual(sent, [
    { worker: 'pod-1', shard: 5, cells: [count], since: { seconds: 2, accepted: 1, attempts: 2 } },
    { worker: 'pod-1', shard: 5, cells: [doubled], since: { seconds: 3, accepted: 1, attempts: 2 } },
  ]);
});
