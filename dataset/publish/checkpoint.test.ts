import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { objects } from '../../contract/names.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from './publish.ts';

const SHARDS = 130;
const dataset = smallDataset((spec) => {
  spec.quota.samples = SHARDS;
  spec.output.shard = { samples: 1 };
});
const plan = planOf(dataset);
let grown: string;
let files: Map<string, string>;

before(async () => {
  grown = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, openStore(grown)), shard);
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  await cp(grown, folder, { recursive: true });
  await publishTo(openStore(folder));
  files = await filesIn(openStore(folder));
  await rm(folder, { recursive: true });
});
after(() => rm(grown, { recursive: true, force: true }));

const publishTo = (store: ObjectStore) => publish({ plan, dataset, ...RUN, store, version: '0.1.0' });

/** All objects of a dataset. */
async function filesIn(store: ObjectStore): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of store.list('')) found.set(key, Buffer.from((await store.get(key))!).toString('base64'));
  return found;
}

/** A copy that a publisher left after some shards, and a store of it that counts the shards which are read whole. */
async function interrupted(t: TestContext, shards: number) {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(grown, folder, { recursive: true });
  const open = (fail: () => boolean, whole: Set<string>): ObjectStore => {
    const store = openStore(folder);
    const get = store.get.bind(store);
    store.get = async (key, range) => {
      if (key.startsWith(objects.shards) && !range) {
        if (fail()) throw new Error('killed');
        whole.add(key);
      }
      return get(key, range);
    };
    return store;
  };
  let begun = 0;
  await assert.rejects(publishTo(open(() => begun++ === shards, new Set())), /killed/);
  const whole = new Set<string>();
  return { store: open(() => false, whole), whole };
}

const checkpointsIn = async (store: ObjectStore): Promise<string[]> =>
  (await Array.fromAsync(store.list(objects.checked))).map(({ key }) => key);

test('M9: a publisher that is interrupted reads no shard again that it has a checkpoint of', async (t) => {
  const { store, whole } = await interrupted(t, 100);
  assert.equal((await checkpointsIn(store)).length, 1);
  await publishTo(store);
  assert.equal(whole.size, SHARDS - 64);
  assert.ok(!whole.has(objects.shard(plan.name, 63)) && whole.has(objects.shard(plan.name, 64)));
  assert.deepEqual(await filesIn(store), files);
});

test('a damaged checkpoint is ignored', async (t) => {
  const { store, whole } = await interrupted(t, 100);
  const [key] = await checkpointsIn(store);
  const bytes = Uint8Array.from((await store.get(key!))!);
  bytes[bytes.length >> 1]! ^= 1;
  await store.replace(key!, bytes, { contentType: 'application/gzip' });
  await publishTo(store);
  assert.equal(whole.size, SHARDS);
  assert.deepEqual(await filesIn(store), files);
});

test('a shard that was lost or written again since its checkpoint is read again', async (t) => {
  const { store, whole } = await interrupted(t, 100);
  const [lost, other] = [objects.shard(plan.name, 5), objects.shard(plan.name, 6)];
  const work = (await Array.fromAsync(store.list(objects.shardWork(6)))).map(({ key }) => key);
  await store.remove([other, objects.record(6), ...work]);
  await runShard(drawingContext(plan, store, { provider: 'cuda' }), 6);
  const bytes = (await store.get(lost))!;
  await store.remove([lost]);
  await assert.rejects(publishTo(store), /small-000005\.tar is missing/);
  await store.create(lost, bytes, { contentType: 'application/x-tar' });
  whole.clear();
  const manifest = await publishTo(store);
  assert.ok(whole.has(other) && !whole.has(lost));
  assert.deepEqual(manifest.providers, ['cpu', 'cuda']);
});
