import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { objects } from '../contract/names.ts';
import { claim } from '../dataset/claim.ts';
import { publish } from '../dataset/publish/publish.ts';
import { readShardSamples } from '../dataset/shard/read.ts';
import { verify } from '../dataset/verify/verify.ts';
import { cosineDistance } from '../platform/cosine.ts';
import { readNpy, rowOf } from '../platform/npy.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawFeatures, drawingContext, planOf, RUN, smallDataset, withFeatures } from '../test/support/dataset.ts';
import { runShard } from './run-shard.ts';

/** Shards whose images have feature vectors, and no near copies. */

const dataset = smallDataset(withFeatures);
const plan = planOf(dataset);

async function freshStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-features-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

/** A store in which the n-th write (from 0) and all later ones fail. */
function failingAt(store: ObjectStore, n: number): ObjectStore {
  let writes = 0;
  const create: ObjectStore['create'] = (...args) =>
    writes++ >= n ? Promise.reject(new Error('killed')) : store.create(...args);
  return new Proxy(store, {
    get: (target, name) =>
      name === 'create' ? create : (Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)),
  });
}

async function samplesOf(store: ObjectStore, shard: number) {
  const bytes = (await store.get(objects.shard(plan.name, shard)))!;
  return readShardSamples(bytes).map(({ record }) => record);
}

test('a row for each image, in the order of the shard, and no two images nearer than the threshold', async (t) => {
  const store = await freshStore(t);
  const record = await runShard(drawingContext(plan, store), 0);
  const features = readNpy((await store.get(objects.features(plan.name, 0)))!);
  const samples = await samplesOf(store, 0);
  assert.equal(features.rows, record.accepted);
  for (const [row, { seed }] of samples.entries()) assert.deepEqual(rowOf(features, row), drawFeatures(seed));
  for (let a = 0; a < features.rows; a++)
    for (let b = 0; b < a; b++) assert.ok(cosineDistance(rowOf(features, a), rowOf(features, b)) >= 0.05);
  const refused = record.cells.reduce((sum, { rejected }) => sum + (rejected.novel ?? 0), 0);
  assert.ok(refused > 0, 'some images are copies');
  const copies = samples.flatMap(({ rejected }) => rejected.filter(({ gate }) => gate === 'novel'));
  for (const { scores, nearest } of copies) {
    assert.ok(scores.novel! < 0.05);
    assert.ok(samples.some(({ index }) => String(index).padStart(9, '0') === nearest!.novel));
  }
});

test('features, shard and record are the same for any batch, checkpoint and kill', async (t) => {
  const undisturbed = await freshStore(t);
  const wanted = await runShard(drawingContext(plan, undisturbed), 0);
  for (const change of [{ batchSize: 1 }, { batchSize: 7, checkpointSamples: 3 }, { checkpointSamples: 100 }]) {
    const record = await runShard(drawingContext(plan, await freshStore(t), change), 0);
    assert.deepEqual(record, wanted);
  }
  let last = 0;
  for (let n = 0; last === n; n++) {
    const store = await freshStore(t);
    await runShard(drawingContext(plan, failingAt(store, n)), 0).catch(() => last++);
    assert.deepEqual(await runShard(drawingContext(plan, store), 0), wanted, `killed at write ${n}`);
    assert.deepEqual(await store.get(wanted.features!.key), await undisturbed.get(wanted.features!.key));
  }
  assert.ok(last >= 8, 'parts, staged features, seal, tar, features and record');
});

test('features that are lost after the tar is written come from where they were staged, or from the parts', async (t) => {
  const wanted = await runShard(drawingContext(plan, await freshStore(t)), 0);
  for (const harm of ['neither', 'staged', 'parts'] as const) {
    const store = await freshStore(t);
    // Three parts, the seal, staged features and the tar are written.
    await assert.rejects(runShard(drawingContext(plan, failingAt(store, 6)), 0), /killed/);
    assert.ok(await store.stat(wanted.key));
    assert.equal(await store.stat(wanted.features!.key), null);
    const parts = (await Array.fromAsync(store.list(objects.shardWork(0)))).map(({ key }) => key);
    if (harm === 'staged') await store.remove([objects.stagedFeatures(0, wanted.features!.sha256)]);
    if (harm === 'parts') await store.remove(parts.filter((key) => key.endsWith('.tar')));
    assert.deepEqual(await runShard(drawingContext(plan, store), 0), wanted);
    assert.ok(await store.stat(wanted.features!.key));
  }
});

test('an engine that gives no features fails in words, and nothing is committed', async (t) => {
  const store = await freshStore(t);
  const { sample } = drawingContext(plan, store);
  const mute = async (batch: Parameters<typeof sample>[0]) =>
    (await sample(batch)).map(({ image, verdicts }) => ({ image, verdicts }));
  await assert.rejects(runShard({ ...drawingContext(plan, store), sample: mute }, 0), /the engine gives no features/);
  assert.equal(await store.stat(objects.record(0)), null);
});

test('a dataset with features is published and verified, and every byte of its features counts', async (t) => {
  const store = await freshStore(t);
  await claim(store, plan, RUN);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  await publish({ plan, dataset, store, owner: RUN.owner, version: '0' });
  assert.deepEqual((await verify(store)).faults, []);
  const key = objects.features(plan.name, 1);
  const sound = (await store.get(key))!;
  for (let at = 0; at < sound.length; at++) {
    if (at % 11 !== 0 && at < sound.length - 24) continue;
    const damaged = Uint8Array.from(sound);
    damaged[at]! ^= 1;
    await store.replace(key, damaged, { contentType: 'application/octet-stream' });
    const { faults } = await verify(store);
    assert.deepEqual(
      faults.map(({ object }) => object),
      [key],
    );
  }
  await store.remove([key]);
  assert.match((await verify(store)).faults[0]!.message, /^is missing$/);
  await store.create(key, sound, { contentType: 'application/octet-stream' });
  await store.create(objects.features(plan.name, 9), sound, { contentType: 'application/octet-stream' });
  assert.match((await verify(store)).faults[0]!.message, /is not part of the dataset/);
});
