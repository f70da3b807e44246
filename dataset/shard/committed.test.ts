import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { objects } from '../../contract/names.ts';
import { openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { readProgress } from './committed.ts';

const plan = planOf(smallDataset());

/** A store with the records of some shards, which counts what is read. */
async function grown(t: TestContext, shards: readonly number[]) {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const store = openStore(folder);
  for (const shard of shards) await runShard(drawingContext(plan, store), shard);
  const read: string[] = [];
  const get = store.get.bind(store);
  store.get = (key, range) => {
    read.push(key);
    return get(key, range);
  };
  return { store, read };
}

test('M8: a run finds its pending shards by a listing, whatever the number of records', async (t) => {
  const { store, read } = await grown(t, [0, 2]);
  // The last shard is shorter than the others.
  assert.deepEqual(await readProgress(store, plan), { pending: [1], samples: 14 });
  assert.deepEqual(read, [objects.record(0)]);
});

test('M8: objects of other names, and of shards that the plan does not have, are no records', async (t) => {
  const { store } = await grown(t, [1]);
  for (const key of ['records/0.json', 'records/000002.json.bak', 'records/000003.json', 'records/x/000002.json'])
    await store.create(key, Buffer.from('{}'), { contentType: 'application/json' });
  assert.deepEqual(await readProgress(store, plan), { pending: [0, 2], samples: 10 });
});

test('M8: records of another plan are refused before anything is generated', async (t) => {
  const { store } = await grown(t, [1]);
  const other = planOf(smallDataset((spec) => Object.assign(spec, { seed: 8 })));
  await assert.rejects(readProgress(store, other), /records\/000001\.json belongs to plan/);
});

test('M8: nothing is committed in a prefix that is empty', async (t) => {
  const { store, read } = await grown(t, []);
  assert.deepEqual(await readProgress(store, plan), { pending: [0, 1, 2], samples: 0 });
  assert.deepEqual(read, []);
});
