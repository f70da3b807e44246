import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../contract/digest.ts';
import { objects } from '../contract/names.ts';
import { claim } from '../dataset/claim.ts';
import { publish } from '../dataset/publish/publish.ts';
import { readShardSamples } from '../dataset/shard/read.ts';
import { verify } from '../dataset/verify/verify.ts';
import { cosineDistance } from '../platform/cosine.ts';
import { npyHeader, readNpy, rowOf } from '../platform/npy.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { uint16Bytes } from '../platform/uint16.ts';
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

test('two workers whose hardware differs leave a shard whose distances are those of its features', async (t) => {
  const store = await freshStore(t);
  await claim(store, plan, RUN);
  const base = drawingContext(plan, store);
  /** The same worker on hardware that sees other features: parts of both meet in one shard. */
  const other = async (batch: Parameters<typeof base.sample>[0]) =>
    (await base.sample(batch)).map((one, i) => ({ ...one, features: drawFeatures(batch[i]!.seed + 1000) }));
  let parts = 0;
  const slow: ObjectStore['create'] = async (key, ...rest) => {
    // When the first part of one worker is about to be stored, the other one stores its own and is killed.
    if (/\d-\d+\.tar$/.test(key) && parts++ === 0)
      await runShard({ ...drawingContext(plan, failingAt(store, 1)), sample: other }, 0).catch(() => {});
    return store.create(key, ...rest);
  };
  const racing = new Proxy(store, {
    get: (target, name) => (name === 'create' ? slow : Reflect.get(target, name).bind?.(target)),
  });
  await runShard({ ...base, store: racing }, 0);
  for (let shard = 1; shard < plan.shards; shard++) await runShard(base, shard);
  await publish({ plan, dataset, store, owner: RUN.owner, version: '0' });
  assert.deepEqual((await verify(store)).faults, []);
});

test('a published dataset that has lost its features is not complete', async (t) => {
  const store = await freshStore(t);
  await claim(store, plan, RUN);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  const again = () => publish({ plan, dataset, store, owner: RUN.owner, version: '0' });
  await again();
  await store.remove([objects.features(plan.name, 0)]);
  await assert.rejects(again(), /features\/small-000000\.npy is missing although the dataset was complete/);
});

test('features that a forger has made fit their record are refused where no encoder gives them', async (t) => {
  const store = await freshStore(t);
  await claim(store, plan, RUN);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  await publish({ plan, dataset, store, owner: RUN.owner, version: '0' });
  const record = JSON.parse(Buffer.from((await store.get(objects.record(1)))!).toString());
  const { rows, columns } = readNpy((await store.get(record.features.key))!);
  const forge = async (width: number, bits: number): Promise<string[]> => {
    const file = Buffer.concat([npyHeader(rows, width), uint16Bytes(new Uint16Array(rows * width).fill(bits))]);
    const features = { ...record.features, bytes: file.length, sha256: sha256(file) };
    await store.replace(record.features.key, file, { contentType: 'application/octet-stream' });
    const text = Buffer.from(JSON.stringify({ ...record, features }));
    await store.replace(objects.record(1), text, { contentType: 'application/json' });
    return (await verify(store)).faults.map(({ message }) => message);
  };
  assert.ok((await forge(columns, 0x7e00)).includes('holds numbers that are not finite'));
  assert.ok((await forge(0, 0)).includes('has rows without numbers'));
  assert.ok(
    (await forge(columns + 1, 0x3c00)).includes(
      `has ${columns + 1} numbers for an image, those of other shards ${columns}`,
    ),
  );
});
