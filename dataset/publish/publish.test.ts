import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { ExhaustedError, exitCodeOf, isRetryable } from '../../contract/failure.ts';
import { EXIT, objects } from '../../contract/names.ts';
import { seedOf } from '../../contract/plan/plan.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { type Drawing, drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { claim } from '../claim.ts';
import { publish, renderPublishedReport } from './publish.ts';
import { DatasetError } from './records.ts';

const dataset = smallDataset();
const plan = planOf(dataset);
let grown: string;

/** All shards are committed; nothing is published. */
before(async () => {
  grown = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  const store = openStore(grown);
  await claim(store, plan, RUN);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
});
after(() => rm(grown, { recursive: true, force: true }));

/** A copy of the grown dataset, and its store. */
async function copy(t: TestContext): Promise<{ folder: string; store: ObjectStore }> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(grown, folder, { recursive: true });
  return { folder, store: openStore(folder) };
}

/** Digests of all objects below a folder. */
async function digests(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const pairs = files
    .sort()
    .map(async (file) => [file.slice(folder.length + 1), sha256(await readFile(file))] as const);
  return Object.fromEntries(await Promise.all(pairs));
}

const publishTo = (store: ObjectStore) => publish({ plan, dataset, ...RUN, store, version: '0.1.0' });

/** A store in which the n-th change (from 0) and all later ones fail, as if the publisher had been killed. */
function failingAt(store: ObjectStore, n: number): { store: ObjectStore; changes: () => number } {
  let changes = 0;
  const guard =
    <A extends unknown[], R>(change: (...args: A) => Promise<R>): ((...args: A) => Promise<R>) =>
    async (...args) => {
      if (changes++ >= n) throw new Error('killed');
      return change(...args);
    };
  return {
    changes: () => changes,
    store: {
      uri: store.uri,
      assertConditional: async () => {},
      get: store.get.bind(store),
      stat: store.stat.bind(store),
      list: store.list.bind(store),
      create: guard(store.create.bind(store)),
      replace: guard(store.replace.bind(store)),
      remove: guard(store.remove.bind(store)),
    },
  };
}

test('a published dataset has all that the manifest names, and of the work only the claim', async (t) => {
  const { folder, store } = await copy(t);
  const done: string[] = [];
  const manifest = await publish({
    plan,
    dataset,
    ...RUN,
    store,
    version: '0.1.0',
    onProgress: (n, all) => done.push(`${n}/${all}`),
  });
  const found = await digests(folder);
  assert.deepEqual(done, ['1/3', '2/3', '3/3']);
  for (const { key, sha256: digest, bytes } of [...manifest.shards, ...manifest.files]) {
    assert.equal(found[key], digest, key);
    assert.equal((await store.stat(key))?.size, bytes, key);
  }
  const records = manifest.shards.map(({ record }) => record);
  const all = [
    objects.claim,
    objects.manifest,
    ...records,
    ...[...manifest.shards, ...manifest.files].map(({ key }) => key),
  ];
  assert.deepEqual(Object.keys(found).sort(), all.sort());
  assert.deepEqual(manifest.samples, { wanted: 24, accepted: 24, exhausted: 0, attempts: manifest.samples.attempts });
  assert.deepEqual(manifest.providers, ['cpu']);
});

test('publishing that is killed at any change and run again leaves the objects of an undisturbed one', async (t) => {
  const reference = await copy(t);
  const counting = failingAt(reference.store, Number.POSITIVE_INFINITY);
  const manifest = await publishTo(counting.store);
  const wanted = await digests(reference.folder);
  assert.equal(
    counting.changes(),
    13,
    'five staged files, the seal, five files, the manifest, the removal of the work',
  );
  for (let n = 0; n < counting.changes(); n++) {
    const { folder, store } = await copy(t);
    await assert.rejects(publishTo(failingAt(store, n).store), /killed/);
    const complete = (await store.stat(objects.manifest)) !== null;
    assert.equal(complete, n === 12, `the manifest comes once all else is there (change ${n})`);
    assert.deepEqual(await publishTo(store), manifest);
    assert.deepEqual(await digests(folder), wanted);
  }
});

test('publishing twice changes nothing', async (t) => {
  const { folder, store } = await copy(t);
  const manifest = await publishTo(store);
  const first = await digests(folder);
  assert.deepEqual(await publishTo(store), manifest);
  assert.deepEqual(await digests(folder), first);
});

test('two publishers at once agree', async (t) => {
  const { folder, store } = await copy(t);
  const [one, other] = await Promise.all([publishTo(store), publishTo(openStore(folder))]);
  assert.deepEqual(one, other);
});

test('shards that are not committed yet are waited for, not left out', async (t) => {
  const { folder, store } = await copy(t);
  await rm(join(folder, objects.record(2)));
  await assert.rejects(
    publishTo(store),
    (error: Error) => isRetryable(error) && /records\/000002\.json/.test(error.message),
  );
});

test('a shard that is missing or changed is named, and nothing is published', async (t) => {
  const shard = objects.shard('small', 1);
  for (const spoil of [
    (file: string) => rm(file),
    async (file: string) => {
      const bytes = await readFile(file);
      bytes[bytes.length >> 1]! ^= 4;
      await rm(file);
      await writeFile(file, bytes);
    },
  ]) {
    const { folder, store } = await copy(t);
    await spoil(join(folder, shard));
    const found = Object.keys(await digests(folder));
    await assert.rejects(publishTo(store), (error) => error instanceof DatasetError && error.key === shard);
    assert.deepEqual(Object.keys(await digests(folder)), found);
  }
});

test('shards and records that the plan does not have are named before anything is published', async (t) => {
  for (const stray of ['shards/small-000003.tar', 'records/000003.json', 'shards/other-000000.tar']) {
    const { folder, store } = await copy(t);
    await store.create(stray, Buffer.from('{}'), { contentType: 'text/plain' });
    const found = Object.keys(await digests(folder));
    await assert.rejects(
      publishTo(store),
      (error: Error) =>
        error instanceof DatasetError && error.key === stray && /is not part of.*remove it/.test(error.message),
    );
    assert.deepEqual(Object.keys(await digests(folder)), found);
    await store.remove([stray]);
    await publishTo(store);
  }
});

test("another plan's dataset is not touched", async (t) => {
  const { folder, store } = await copy(t);
  await publishTo(store);
  const published = await digests(folder);
  const changed = smallDataset((spec) => {
    spec.seed = 8;
  });
  const other = publish({ plan: planOf(changed), dataset: changed, ...RUN, store, version: '0.1.0' });
  await assert.rejects(other, /belongs to plan .* of dataset .* nothing was changed/);
  assert.deepEqual(await digests(folder), published);
});

test('the report of a published dataset is the same when rendered again', async (t) => {
  const { folder, store } = await copy(t);
  const manifest = await publishTo(store);
  assert.equal(await renderPublishedReport(store, manifest), await readFile(join(folder, objects.report), 'utf8'));
});

const hopeless = (onExhausted: 'Fail' | 'Shortfall') =>
  smallDataset((spec) => Object.assign(spec.quality!, { onExhausted, maxAttempts: 2 }));

/** A dataset of which some sample, or every one, has no image that passes. */
async function grownShort(t: TestContext, passes: (index: number) => boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const store = openStore(folder);
  const its = planOf(hopeless('Fail'));
  const seeds = [0, 1].map((attempt) => Array.from({ length: its.samples }, (_, i) => seedOf(its, i, attempt)));
  const indexOf = (seed: number): number => Math.max(...seeds.map((list) => list.indexOf(seed)));
  const judge: Drawing['judge'] = async (_, batch) =>
    batch.map(({ seed }) => ({ sex: { score: 0.5, passed: passes(indexOf(seed)) } }));
  for (let shard = 0; shard < its.shards; shard++) await runShard(drawingContext(its, store, { judge }), shard);
  return store;
}

const publishAs = (store: ObjectStore, dataset: SyntheticDataset) =>
  publish({ plan: planOf(dataset), dataset, ...RUN, store, version: '0.1.0' });

test('a dataset in which every sample was exhausted can be published', async (t) => {
  const manifest = await publishAs(await grownShort(t, () => false), hopeless('Shortfall'));
  assert.deepEqual(manifest.samples, { wanted: 24, accepted: 0, exhausted: 24, attempts: 48 });
  assert.deepEqual(manifest.rejected, { sex: 48 });
});

test('A6: one exhausted sample withholds publication under Fail, and Shortfall publishes the same shards', async (t) => {
  const store = await grownShort(t, (index) => index !== 13);
  const shard = await store.get('shards/small-000001.tar');
  await assert.rejects(publishAs(store, hopeless('Fail')), (error: Error) => {
    assert.ok(error instanceof ExhaustedError);
    assert.equal(exitCodeOf(error), EXIT.shortfall);
    assert.match(
      error.message,
      /^1 of 24 samples failed all 2 attempts, most of them \(1\) in cell age=.*,sex=.* \(.*by gate: sex 2\); .*onExhausted: Shortfall to publish the other 23 images/,
    );
    return true;
  });
  assert.equal(await store.get(objects.manifest), null);
  const manifest = await publishAs(store, hopeless('Shortfall'));
  assert.deepEqual(manifest.samples, { wanted: 24, accepted: 23, exhausted: 1, attempts: 25 });
  assert.deepEqual(await store.get('shards/small-000001.tar'), shard);
  // What is published stays published, whatever the spec says later.
  assert.deepEqual(await publishAs(store, hopeless('Fail')), manifest);
});
