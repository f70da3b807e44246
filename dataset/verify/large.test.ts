import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { objects } from '../../contract/names.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from '../publish/publish.ts';
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
