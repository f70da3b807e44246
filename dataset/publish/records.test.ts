import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isRetryable } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { checkShard, DatasetError, readRecords } from './records.ts';

const plan = planOf(smallDataset());
const records: ShardRecord[] = [];
let store: ObjectStore;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  store = openStore(folder);
  for (let shard = 0; shard < plan.shards; shard++) records.push(await runShard(drawingContext(plan, store), shard));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A store in which one object reads as something else. */
const withObject = (key: string, bytes: Uint8Array | null): ObjectStore => ({
  uri: store.uri,
  assertConditional: async () => {},
  get: (asked, range) => (asked === key ? Promise.resolve(bytes) : store.get(asked, range)),
  stat: store.stat.bind(store),
  create: store.create.bind(store),
  replace: store.replace.bind(store),
  remove: store.remove.bind(store),
  async *list(prefix) {
    for await (const object of store.list(prefix)) if (object.key !== key || bytes) yield object;
  },
});

const readAll = (from: ObjectStore, of = plan) => Array.fromAsync(readRecords(from, of));

test('the records come in order of the shards', async () => {
  assert.deepEqual(await readAll(store), records);
});

test('missing records are counted and the first is named; trying again may help', async () => {
  await assert.rejects(readAll(withObject(objects.record(1), null)), (error: Error) => {
    assert.match(error.message, /1 of 3 shards of .* not committed yet, the first without records\/000001\.json/);
    return isRetryable(error);
  });
});

describe('a record is refused, by name,', () => {
  const wrong: readonly (readonly [string, (record: ShardRecord) => unknown, RegExp])[] = [
    ['of another plan', (record) => ({ ...record, planDigest: 'f'.repeat(64) }), /belongs to another plan \(f{64}/],
    ['of another shard', (record) => ({ ...record, shard: 2 }), /says that it is of shard 2/],
    [
      'that names another object',
      (record) => ({ ...record, key: 'shards/other-000001.tar' }),
      /names the shard shards\/other/,
    ],
    ['that leaves a gap', (record) => ({ ...record, start: 11 }), /covers samples 11 to 20, not those from 10/],
    ['that counts wrongly', (record) => ({ ...record, accepted: 3 }), /claims 3 accepted, its cells add up to 10/],
    [
      'whose cells contradict themselves',
      (record) => ({ ...record, cells: record.cells.map((cell) => ({ ...cell, attempts: 0 })) }),
      /0 attempts, but/,
    ],
    ['that is none', () => ({ hello: 'world' }), /is not the record of a shard/],
  ];
  for (const [what, change, message] of wrong) {
    test(what, async () => {
      const changed = Buffer.from(JSON.stringify(change(records[1]!)));
      await assert.rejects(readAll(withObject(objects.record(1), changed)), (error) => {
        assert.ok(error instanceof DatasetError);
        assert.equal(error.key, 'records/000001.json');
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('that is cut off', async () => {
    const bytes = (await store.get(objects.record(1)))!;
    await assert.rejects(
      readAll(withObject(objects.record(1), bytes.subarray(0, 40))),
      /records\/000001\.json is not the record/,
    );
  });
});

test('a shard is checked against its record', async () => {
  const record = records[1]!;
  const bytes = (await store.get(record.key))!;
  assert.deepEqual(
    checkShard(bytes, record).map(({ record: { index } }) => index),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  );
  const flipped = Uint8Array.from(bytes);
  flipped[700]! ^= 1;
  assert.throws(() => checkShard(flipped, record), /shards\/small-000001\.tar has SHA-256 [0-9a-f]{64}/);
  assert.throws(() => checkShard(bytes.subarray(0, -1), record), /shards\/small-000001\.tar has SHA-256/);
  assert.throws(() => checkShard(null, record), /shards\/small-000001\.tar is missing/);
  assert.throws(() => checkShard(bytes, { ...record, start: 9 }), /has no sample 000000009 in its place/);
  assert.throws(
    () => checkShard(bytes, { ...record, end: 19 }),
    /holds sample 000000019, which its record does not know/,
  );
  assert.throws(() => checkShard(bytes, { ...record, planDigest: 'f'.repeat(64) }), /sample 000000010 of another plan/);
});
