import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveEventSchema, planEventSchema, shardEventSchema, taskSchema } from './task.ts';

const planDigest = 'a'.repeat(64);
const cell = { cell: 0, accepted: 1, exhausted: 0, attempts: 1, rejected: {} };
const plan = { planDigest, samples: 2, shards: 1, cells: [{ id: 'sex=male', wanted: 2 }] };
const live = { worker: 'w', shard: 0, cells: [cell], since: { seconds: 2, accepted: 1, attempts: 1 } };

test('H4: every message of an honest worker is accepted', () => {
  planEventSchema.parse(plan);
  shardEventSchema.parse({ planDigest, shard: 999_999, cells: [{ ...cell, cell: 199_999 }] });
  liveEventSchema.parse(live);
  taskSchema.parse({ planDigest, shard: 0 });
});

test('H4: no number, list or text of a message is without a bound', () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`gate-${i}`, 1]));
  const refused: readonly [{ safeParse(value: unknown): { success: boolean } }, unknown][] = [
    [taskSchema, { planDigest, shard: 1_000_000 }],
    [planEventSchema, { ...plan, shards: Number.MAX_SAFE_INTEGER }],
    [planEventSchema, { ...plan, samples: 2e9 }],
    [planEventSchema, { ...plan, cells: [{ id: 'x'.repeat(5000), wanted: 1 }] }],
    [shardEventSchema, { planDigest, shard: 0, cells: [{ ...cell, cell: 4_294_967_294 }] }],
    [shardEventSchema, { planDigest, shard: 0, cells: [{ ...cell, accepted: 2 ** 40 }] }],
    [shardEventSchema, { planDigest, shard: 0, cells: [{ ...cell, rejected: many }] }],
    [shardEventSchema, { planDigest, shard: 0, cells: [{ ...cell, rejected: { ['g'.repeat(64)]: 1 } }] }],
    [liveEventSchema, { ...live, since: { ...live.since, seconds: Number.MAX_VALUE } }],
    [liveEventSchema, { ...live, worker: 'w'.repeat(300) }],
  ];
  for (const [schema, message] of refused)
    assert.equal(schema.safeParse(message).success, false, JSON.stringify(message).slice(0, 100));
});
