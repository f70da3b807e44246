import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parquetReadObjects } from 'hyparquet';
import { tallyFault, totals } from '../contract/account/tally.ts';
import { canonicalJson, sha256 } from '../contract/digest.ts';
import { objects, PAIR, sampleKey } from '../contract/names.ts';
import type { SampleRecord } from '../contract/schema/record.ts';
import { publish } from '../dataset/publish/publish.ts';
import { readShardSamples } from '../dataset/shard/read.ts';
import { tarMember } from '../dataset/shard/tar.ts';
import { verify } from '../dataset/verify/verify.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { runShard, type ShardContext } from './run-shard.ts';

/** Counterfactual pairs, from sampling to verification. */

const dataset = smallDataset((spec) => {
  spec.quota = { ...spec.quota, pairs: { axis: 'sex' } };
});
const plan = planOf(dataset);

async function freshStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

const recordsOf = async (store: ObjectStore, shard: number): Promise<SampleRecord[]> =>
  readShardSamples((await store.get(objects.shard('small', shard)))!).map(({ record }) => record);

/** Rejects an image by its seed and sex: each sex fails on other seeds. */
const judge = coins((seed, sex) => (seed + (sex === 'male' ? 1 : 0)) % 3 !== 0);

function coins(passes: (seed: number, sex: string) => boolean): Partial<Parameters<typeof drawingContext>[2]> {
  return {
    judge: async (images, batch) =>
      images.map((_, i) => {
        const passed = passes(batch[i]!.seed, batch[i]!.axes.sex!);
        return { sex: { score: passed ? 0.75 : 0.25, passed }, age: { score: batch[i]!.exact.age!, passed: true } };
      }),
  };
}

const context = (store: ObjectStore, change: Partial<ShardContext> = {}) =>
  drawingContext(plan, store, { ...judge, ...change });

test('a pair is accepted at the first attempt that all its samples pass, and what it costs is counted', async (t) => {
  const store = await freshStore(t);
  const record = await runShard(context(store), 0);
  const samples = await recordsOf(store, 0);
  assert.equal(samples.length, 10);
  for (let i = 0; i < 10; i += 2) {
    const [woman, man] = [samples[i]!, samples[i + 1]!];
    assert.deepEqual([woman.axes.sex, man.axes.sex], ['female', 'male']);
    assert.deepEqual([woman.pair, man.pair], [sampleKey(i), sampleKey(i)]);
    const shared = ({ seed, attempt, exact, axes: { sex: _sex, ...axes }, prompt }: SampleRecord) => {
      return { seed, attempt, exact, axes, prompt: prompt.replace(/female|male/, '') };
    };
    assert.deepEqual(shared(woman), shared(man));
    // Each attempt before failed for one of the two at least, the other counts as rejected with it.
    for (const [k, { gate, seed }] of woman.rejected.entries()) {
      const expected = [seed % 3 === 0 ? 'sex' : PAIR, (seed + 1) % 3 === 0 ? 'sex' : PAIR];
      assert.deepEqual([gate, man.rejected[k]!.gate], expected);
      assert.ok(expected.includes('sex'));
    }
  }
  assert.ok(record.cells.some(({ rejected }) => rejected[PAIR]! > 0));
  assert.deepEqual(
    record.cells.map(tallyFault),
    record.cells.map(() => null),
  );
  assert.equal(totals(record.cells).attempts, record.attempts);
});

test('bytes do not depend on batches, checkpoints and kills, also where these cut pairs in two', async (t) => {
  const { sha256 } = await runShard(context(await freshStore(t)), 0);
  for (const [batchSize, checkpointSamples] of [
    [1, 1],
    [3, 5],
    [7, 3],
    [64, 100],
  ] as const) {
    const change = { batchSize, checkpointSamples };
    assert.equal((await runShard(context(await freshStore(t), change), 0)).sha256, sha256, `${batchSize}`);
    for (let failing = 1; failing < 5; failing++) {
      const store = await freshStore(t);
      let batches = 0;
      const { sample } = context(store, change);
      const dying: ShardContext['sample'] = async (batch) => {
        if (batches++ >= failing) throw new Error('killed');
        return sample(batch);
      };
      await runShard(context(store, { ...change, sample: dying }), 0).catch((error: Error) =>
        assert.equal(error.message, 'killed'),
      );
      // Parts hold whole pairs.
      for await (const { key } of store.list(objects.shardWork(0)))
        for (const edge of key.match(/\d{9}/g) ?? []) assert.equal(Number(edge) % 2, 0, key);
      assert.equal((await runShard(context(store, change), 0)).sha256, sha256, `${batchSize}, ${failing}`);
    }
  }
});

test('a pair of which one sample never passes is exhausted as a whole', async (t) => {
  const store = await freshStore(t);
  const women = coins((_, sex) => sex === 'female');
  const record = await runShard(drawingContext(plan, store, women), 2);
  assert.deepEqual([record.accepted, record.exhausted], [0, [20, 21, 22, 23]]);
  assert.equal(totals(record.cells).rejected[PAIR], totals(record.cells).rejected.sex);
});

test('published pairs have a column in the index and can be verified; a pair that is none is found', async (t) => {
  const store = await freshStore(t);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(context(store), shard);
  const manifest = await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
  const { faults, images } = await verify(store);
  assert.deepEqual({ faults, images }, { faults: [], images: 24 });
  const index = (await store.get(objects.index))!;
  const rows = await parquetReadObjects({
    file: new Uint8Array(index).buffer,
    columns: ['key', 'pair', 'seed', 'sex'],
  });
  for (const [i, row] of rows.entries()) {
    assert.equal(row.pair, sampleKey(i - (i % 2)));
    assert.equal(row.seed, rows[i - (i % 2)]!.seed);
  }
  assert.match(Buffer.from((await store.get(objects.card))!).toString(), /the other images of the pair pass/);

  // A forger swaps the men's attempt for an earlier one: each sample by itself may be sound, the pair is not.
  const retried = (await recordsOf(store, 0)).findIndex(({ attempt, axes }) => attempt > 0 && axes.sex === 'male');
  assert.ok(retried >= 0);
  const key = objects.shard('small', 0);
  const bytes = (await store.get(key))!;
  const samples = readShardSamples(bytes);
  const { record, json } = samples[retried]!;
  const forged = { ...record, attempt: 0, rejected: [], seed: record.rejected[0]!.seed };
  const member = tarMember(
    `${record.index.toString().padStart(9, '0')}.json`,
    Buffer.from(`${canonicalJson(forged)}\n`),
  );
  const padded = Math.ceil(json.size / 512) * 512;
  const tar = Buffer.concat([bytes.subarray(0, json.offset - 512), member, bytes.subarray(json.offset + padded)]);
  await store.replace(key, tar, { contentType: 'application/x-tar' });
  const at = objects.record(0);
  const committed = {
    ...JSON.parse(Buffer.from((await store.get(at))!).toString()),
    sha256: sha256(tar),
    bytes: tar.length,
  };
  await store.replace(at, Buffer.from(canonicalJson(committed)), { contentType: 'application/json' });
  const shards = manifest.shards.map((entry, i) =>
    i === 0 ? { ...entry, sha256: sha256(tar), bytes: tar.length } : entry,
  );
  await store.replace(objects.manifest, Buffer.from(canonicalJson({ ...manifest, shards })), {
    contentType: 'application/json',
  });
  const found = (await verify(store)).faults.map(({ message }) => message);
  const pair = sampleKey(retried - 1);
  assert.ok(
    found.some((message) => new RegExp(`^pair ${pair} was accepted at attempts \\d+, 0, not at one$`).test(message)),
    found.join('\n'),
  );
});
