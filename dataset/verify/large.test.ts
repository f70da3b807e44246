import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CellTallies } from '../../contract/account/tally.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { shardRange } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { CellTally, ShardRecord } from '../../contract/schema/record.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { shardSample } from '../../test/support/shard-sample.ts';
import { runShard } from '../../worker/run-shard.ts';
import { createIndex, ROW_GROUP } from '../publish/index.ts';
import { publish } from '../publish/publish.ts';
import type { ShardSample } from '../shard/read.ts';
import { TAR_END } from '../shard/tar.ts';
import { openIndex } from './index.ts';
import { verify } from './verify.ts';

const dataset = smallDataset((spec) => {
  spec.output.shard = { samples: 1 };
});
const plan = planOf(dataset);
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, openStore(folder)), shard);
});
after(() => rm(folder, { recursive: true, force: true }));

/** A store as far away as a bucket, which counts its reads. */
function distant(): { store: ObjectStore; reads: Map<string, number>; most: () => number } {
  const store = openStore(folder);
  const get = store.get.bind(store);
  const reads = new Map<string, number>();
  let [shards, most] = [0, 0];
  store.get = async (key, range) => {
    reads.set(key, (reads.get(key) ?? 0) + 1);
    const isShard = key.startsWith(objects.shards);
    if (isShard) most = Math.max(most, ++shards);
    await sleep(10);
    if (isShard) shards--;
    return get(key, range);
  };
  return { store, reads, most: () => most };
}

test('M9: publish and verify read several shards at a time, each once, and find what they found before', async () => {
  const publishing = distant();
  const done: number[] = [];
  const onProgress = (n: number): void => void done.push(n);
  const manifest = await publish({ plan, dataset, ...RUN, store: publishing.store, version: '0.1.0', onProgress });
  assert.deepEqual(
    done,
    Array.from({ length: plan.shards }, (_, i) => i + 1),
  );
  assert.deepEqual(
    manifest.shards.map(({ key }) => key),
    Array.from({ length: plan.shards }, (_, shard) => objects.shard(plan.name, shard)),
  );
  const verifying = distant();
  const { faults, images } = await verify(verifying.store);
  assert.deepEqual({ faults, images }, { faults: [], images: 24 });
  for (const { reads, most } of [publishing, verifying]) {
    assert.ok(most() >= 4, `${most()} at a time`);
    for (const { key } of manifest.shards) assert.equal(reads.get(key), 1, key);
  }
  // Footer and rows once for all shards, and once more to digest the file.
  assert.ok(verifying.reads.get(objects.index)! <= 4, `the index is read ${verifying.reads.get(objects.index)} times`);
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Writes a dataset of many cells in every shard without a single image: every sample is exhausted. */
async function growExhausted(store: ObjectStore, shards: number, cells: number) {
  const dataset = smallDataset((spec) => {
    spec.quota = {
      samples: shards * cells,
      axes: { place: { values: Array.from({ length: cells }, (_, i) => `place-${i}`) } },
    };
    spec.prompt = { template: '{place}' };
    spec.quality = { maxAttempts: 2, onExhausted: 'Shortfall', gates: [{ ...GATE, name: 'place', axis: 'place' }] };
    spec.output.shard = { samples: cells };
  });
  const plan = planOf(dataset);
  const bytes = Buffer.from(TAR_END);
  const none = { wanted: 1, accepted: 0, exhausted: 1, attempts: 2, rejected: { place: 2 } };
  for (let shard = 0; shard < plan.shards; shard++) {
    const { start, end } = shardRange(plan, shard);
    const record: ShardRecord = {
      apiVersion: 'cohortfarm.dev/record/v1',
      planDigest: plan.digest,
      modelDigest: plan.model.digest,
      ...{ shard, key: objects.shard(plan.name, shard), sha256: sha256(bytes), bytes: bytes.length, start, end },
      ...{ accepted: 0, attempts: 2 * (end - start), provider: 'cpu' },
      cells: plan.allocation.grid.cells.map(({ id }): CellTally => ({ cell: id, ...none })),
      exhausted: Array.from({ length: end - start }, (_, i) => start + i),
    };
    await store.create(record.key, bytes, { contentType: CONTENT_TYPES.tar });
    await store.create(objects.record(shard), Buffer.from(canonicalJson(record)), { contentType: CONTENT_TYPES.json });
  }
  return { dataset, plan };
}

const GATE = { type: 'Classifier', modelUri: 'unused' } as const;

test('M10: what publish and verify keep of each shard does not grow with its cells', async () => {
  const place = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  try {
    const [store, shards, cells] = [openStore(place), 120, 400];
    const { dataset, plan } = await growExhausted(store, shards, cells);
    /** Bytes on the heap after each shard. */
    const heap: number[] = [];
    const onProgress = (done: number): void => {
      if (done % 40 !== 0) return;
      collectGarbage();
      heap.push(process.memoryUsage().heapUsed);
    };
    await publish({ plan, dataset, ...RUN, store, version: '0.1.0', onProgress });
    const { faults } = await verify(store, onProgress);
    assert.deepEqual(faults, []);
    assert.equal(heap.length, 6);
    for (const [first, last] of [
      [heap[0]!, heap[1]!],
      [heap[3]!, heap[4]!],
    ] as const) {
      const perTally = (last - first) / (40 * cells);
      assert.ok(perTally < 20, `${perTally.toFixed(0)} bytes are kept of each cell of each shard`);
    }
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});

test('M11: the footer and each row group of the index are read once, however many shards there are', async () => {
  const [rows, perShard] = [2 * ROW_GROUP + 500, 100];
  const samples = Array.from({ length: rows }, (_, index) =>
    shardSample(index, { planDigest: plan.digest, modelDigest: plan.model.digest }),
  );
  const shardOf = (at: number): string => objects.shard(plan.name, Math.floor(at / perShard));
  const index = createIndex(plan.spec, {});
  const chunks: [number, ShardSample[]][] = [];
  for (let at = 0; at < rows; at += perShard) chunks.push([at, samples.slice(at, at + perShard)]);
  for (const [at, chunk] of chunks) index.add(shardOf(at), chunk);
  const file = Buffer.concat(index.finish());
  let [reads, bytes] = [0, 0];
  const store = {
    uri: 'memory:',
    stat: async () => ({ size: file.length }),
    get: async (_key: string, { start, end }: { start: number; end: number }) => {
      reads++;
      bytes += end - start;
      return file.subarray(start, end);
    },
  } as unknown as ObjectStore;
  const opened = await openIndex(store, { dataset, samples: { accepted: rows } } as unknown as Manifest);
  for (let at = 0; at < chunks.length; at += 8) {
    const found = await Promise.all(
      chunks.slice(at, at + 8).map(([first, chunk]) => opened.faults(first, shardOf(first), chunk)),
    );
    assert.deepEqual(found.flat(), []);
  }
  assert.equal(opened.fault, null);
  const columns = 20;
  assert.ok(reads <= 2 + 3 * columns, `${reads} reads for ${chunks.length} shards`);
  // To find the footer, the last 512 KiB are read first.
  assert.ok(bytes <= file.length + 2 ** 19, `${bytes} bytes of ${file.length}`);
});

test('M11: adding a shard to the sums costs what the shard has, not what all cells have', () => {
  const tally = (cell: number): CellTally => ({
    ...{ cell: `cell-${cell}`, wanted: 1, accepted: 1, exhausted: 0, attempts: 2 },
    rejected: { sex: 1 },
  });
  const sum = new CellTallies();
  sum.add(Array.from({ length: 40_000 }, (_, i) => tally(i)));
  const begun = performance.now();
  for (let shard = 0; shard < 5000; shard++) sum.add([tally(shard), tally(shard + 1)]);
  const seconds = (performance.now() - begun) / 1000;
  assert.ok(seconds < 2, `${seconds.toFixed(1)} s; summing 40,000 cells for each shard takes a minute`);
  assert.equal(sum.values()[1]!.wanted, 3);
});
