import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatasetView, MapView, NearView, Problem, SuspiciousView } from '../../browse/wire.ts';
import { canonicalFile, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { outlineOf } from '../../dataset/publish/manifest.ts';
import type { Reference } from '../../dataset/reference.ts';
import type { ShardSample } from '../../dataset/shard/read.ts';
import { readShardSamples } from '../../dataset/shard/read.ts';
import { fromHalf } from '../../platform/half.ts';
import { readNpy, rowOf } from '../../platform/npy.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { growDataset, readersDataset } from '../../test/readers/fixture.ts';
import { drawFeatures, planOf } from '../../test/support/dataset.ts';
import { type BrowseServer, startBrowseServer } from './server.ts';

/** Neighbours, suspicious images and maps, against features that are read whole and compared pair by pair. */

let dir: string;
let store: ObjectStore;
let manifest: Manifest;
const samples = new Map<string, ShardSample & { readonly features: Float32Array }>();

function featuredDataset() {
  const dataset = readersDataset('png', 300);
  dataset.spec.quality.encoder = { modelUri: 'unused' };
  return dataset;
}

/** Training images with features as those of some seeds, and none held out. */
function referenceOf(seeds: readonly number[], encoder = 'e'.repeat(64)): Reference {
  const bits = seeds.flatMap((seed) => [...drawFeatures(seed)]);
  const file = { bytes: 1, sha256: 'f'.repeat(64) };
  return {
    description: {
      apiVersion: 'cohortfarm.dev/reference/v1',
      encoder: { name: 'any', sha256: encoder },
      dimensions: 6,
      images: { training: seeds.length, heldOut: 0 },
      files: { 'features.npy': file, 'rows.csv': file },
    },
    features: { rows: seeds.length, columns: 6, bits: Uint16Array.from(bits) },
    rows: seeds.map((seed) => ({ split: 'training', image: sha256(String(seed)) })),
  };
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cohortfarm-likeness-'));
  store = openStore(dir);
  ({ manifest } = await growDataset(store, featuredDataset()));
  for (const [shard, { key }] of manifest.shards.entries()) {
    const matrix = readNpy((await store.get(objects.features(manifest.name, shard)))!);
    for (const [row, sample] of readShardSamples((await store.get(key))!).entries())
      samples.set(sample.key, { ...sample, features: fromHalf(rowOf(matrix, row)) });
  }
});
after(() => rm(dir, { recursive: true, force: true }));

async function serving(t: { after(fn: () => Promise<void>): void }, reference: Reference | null = null) {
  const options = { store, host: '127.0.0.1', port: 0, replayCommand: (key: string) => key, reference };
  const server: BrowseServer = await startBrowseServer(options);
  t.after(() => server.close());
  return async <T>(path: string): Promise<T> => (await (await fetch(server.url + path)).json()) as T;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0);
  return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const near = (found: number, wanted: number): void =>
  assert.ok(Math.abs(found - wanted) < 1e-5, `${found} is not ${wanted}`);

/** The other image that is nearest, by brute force. */
function nearestOther(key: string, among: readonly string[]): number {
  const { features } = samples.get(key)!;
  return Math.min(
    ...among.filter((other) => other !== key).map((other) => distance(features, samples.get(other)!.features)),
  );
}

test('the nearest image of the cohort is the one that brute force finds, wherever samples are missing', async (t) => {
  assert.ok(manifest.samples.exhausted > 0, 'rows of features are not the places of samples');
  const ask = await serving(t);
  assert.equal((await ask<DatasetView>('api/dataset')).hasFeatures, true);
  const keys = [...samples.keys()];
  for (const key of keys.filter((_, i) => i % 23 === 0)) {
    const found = await ask<NearView>(`api/near?key=${key}`);
    assert.deepEqual([found.images, found.of, found.training], [samples.size, null, null]);
    near(found.other!.distance, nearestOther(key, keys));
    near(distance(samples.get(key)!.features, samples.get(found.other!.key)!.features), found.other!.distance);
  }
});

test('with a reference each image has its nearest training image', async (t) => {
  const seeds = [2, 3, 5, 8, 13, 21];
  const ask = await serving(t, referenceOf(seeds));
  for (const key of [...samples.keys()].slice(0, 5)) {
    const { training } = await ask<NearView>(`api/near?key=${key}`);
    const distances = seeds.map((seed) => distance(samples.get(key)!.features, fromHalf(drawFeatures(seed))));
    near(training!.distance, Math.min(...distances));
    assert.deepEqual(
      [training!.image, training!.basis],
      [sha256(String(seeds[distances.indexOf(Math.min(...distances))])), 'reference'],
    );
  }
  const { training } = await ask<SuspiciousView>('api/suspicious?is.sex=male');
  const males = [...samples.values()].filter(({ record }) => record.axes.sex === 'male');
  const nearestOf = ({ features }: { features: Float32Array }): number =>
    Math.min(...seeds.map((seed) => distance(features, fromHalf(drawFeatures(seed)))));
  const expected = males.map(nearestOf).sort((a, b) => a - b);
  assert.deepEqual([training.basis, training.images, training.found.length], ['reference', males.length, 24]);
  for (const [i, one] of training.found.entries()) near(one.distance, expected[i]!);
});

test('the suspicious images of a selection are those nearest to another one, in order', async (t) => {
  const ask = await serving(t);
  const view = await ask<SuspiciousView>('api/suspicious?is.finding=effusion');
  const keys = [...samples.values()].filter(({ record }) => record.axes.finding === 'effusion').map(({ key }) => key);
  assert.equal(view.images, keys.length);
  const expected = keys.map((key) => nearestOther(key, keys)).sort((a, b) => a - b);
  view.others.forEach(({ key, axes, other }, i) => {
    near(other.distance, expected[i]!);
    assert.equal(axes.finding, 'effusion');
    assert.notEqual(other.key, key);
  });
  assert.deepEqual(view.training, { basis: null, images: 0, found: [] });
});

test('one list is computed at a time, the last ones are kept, and what a page does not wait for is not begun', async (t) => {
  let reads = 0;
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const slow: ObjectStore = Object.create(store, {
    get: {
      value: async (key: string, range?: { start: number; end: number }) => {
        if (key.startsWith(objects.featuresFolder)) {
          reads++;
          await opened;
        }
        return await store.get(key, range);
      },
    },
  });
  const server = await startBrowseServer({ store: slow, ...{ host: '127.0.0.1', port: 0 }, replayCommand: String });
  t.after(() => server.close());
  const ask = async (path: string, signal?: AbortSignal) =>
    (await fetch(server.url + path, signal ? { signal } : {})).json() as Promise<SuspiciousView>;
  const males = ask('api/suspicious?is.sex=male');
  while (reads === 0) await sleep(5);
  const ofOne = reads;
  const leaving = new AbortController();
  const left = ask('api/suspicious?is.sex=female', leaving.signal);
  await sleep(200);
  assert.equal(reads, ofOne, 'the second waits');
  leaving.abort();
  await assert.rejects(left, { name: 'AbortError' });
  await sleep(200);
  open();
  const found = await males;
  const before = reads;
  const { images } = await ask('api/suspicious?is.finding=edema');
  assert.ok(images > 0);
  const after = reads;
  assert.deepEqual(await ask('api/suspicious?is.sex=male'), found);
  assert.equal(reads, after, 'kept');
  await ask('api/suspicious?is.sex=female');
  assert.ok(before < after && after < reads, 'what was left had not been computed');
});

test('a map has each image once, as far apart as the plane can show, and is the same each time', async (t) => {
  const [ask, again] = [await serving(t), await serving(t)];
  const path = 'api/map?is.sex=female';
  const map = await ask<MapView>(path);
  const females = [...samples.values()].filter(({ record }) => record.axes.sex === 'female').map(({ key }) => key);
  assert.deepEqual(map.points.map(({ key }) => key).sort(), females.sort());
  assert.ok(map.shares[0] >= map.shares[1] && map.shares[0] + map.shares[1] <= 1 + 1e-9);
  assert.deepEqual(await again<MapView>(path), map);
});

test('features that are damaged are an answer, not an end', async (t) => {
  const key = objects.features(manifest.name, 0);
  const honest = (await store.get(key))!;
  const contentType = 'application/octet-stream';
  t.after(() => store.replace(key, honest, { contentType }));
  const cases: [bytes: Uint8Array, message: RegExp][] = [
    [Buffer.from('x'.repeat(4000)), /cannot be read: it is not a NumPy file/],
    [honest.subarray(0, 300), /is cut off; run cohortfarm verify/],
    [
      Buffer.from(Buffer.from(honest).toString('latin1').replace(/, 6\)/, ', 7)'), 'latin1'),
      /7, those of others 6|cut off/,
    ],
    [
      Buffer.from(
        Buffer.from(honest)
          .toString('latin1')
          .replace(/\(\d+, /, (all) => `(${'1'.padStart(all.length - 3, '0')}, `),
        'latin1',
      ),
      /has 1 rows, fewer than/,
    ],
  ];
  for (const [bytes, message] of cases) {
    await store.replace(key, bytes, { contentType });
    assert.match((await (await serving(t))<Problem>('api/map')).error, message);
  }
  await store.remove([key]);
  assert.match((await (await serving(t))<Problem>('api/map')).error, /is missing; run cohortfarm verify/);
});

test('a reference of another encoder is refused, and without features there is nothing to compare', async (t) => {
  await assert.rejects(
    serving(t, referenceOf([1], 'a'.repeat(64))),
    /^UsageError: --reference: it was made with encoder a/,
  );
  const growing = await mkdtemp(join(tmpdir(), 'cohortfarm-likeness-'));
  t.after(() => rm(growing, { recursive: true, force: true }));
  const unfinished = openStore(growing);
  await growDataset(unfinished, featuredDataset());
  await unfinished.remove([objects.manifest]);
  const outline = outlineOf(planOf(featuredDataset()));
  await unfinished.create(objects.outline, canonicalFile(outline), { contentType: 'application/json' });
  const browsing = async (one: ObjectStore, reference: Reference) => {
    const server = await startBrowseServer({
      store: one,
      ...{ host: '127.0.0.1', port: 0 },
      replayCommand: String,
      reference,
    });
    await server.close();
  };
  await browsing(unfinished, referenceOf([1]));
  await assert.rejects(
    browsing(unfinished, referenceOf([1], 'a'.repeat(64))),
    /^UsageError: --reference: it was made with encoder a/,
    'a growing dataset',
  );
  const other = await mkdtemp(join(tmpdir(), 'cohortfarm-likeness-'));
  t.after(() => rm(other, { recursive: true, force: true }));
  await growDataset(openStore(other), readersDataset('png', 24));
  const server = await startBrowseServer({
    store: openStore(other),
    host: '127.0.0.1',
    port: 0,
    replayCommand: (key) => key,
  });
  t.after(() => server.close());
  for (const path of ['api/map', 'api/suspicious', 'api/near?key=000000001']) {
    const response = await fetch(server.url + path);
    assert.deepEqual(
      [response.status, ((await response.json()) as Problem).error.includes('no features')],
      [404, true],
    );
  }
});
