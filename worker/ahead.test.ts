import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { StoppedError } from '../contract/failure.ts';
import { objects } from '../contract/names.ts';
import { type Plan, samplesBetween, seedOf, shardRange } from '../contract/plan/plan.ts';
import type { SampleRecord } from '../contract/schema/record.ts';
import { listMembers } from '../dataset/shard/tar.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, smallDataset, withFeatures } from '../test/support/dataset.ts';
import { CellCounts } from './counts.ts';
import { runShard, type ShardContext } from './run-shard.ts';

/** Rows that a batch has to spare get attempts ahead: there are fewer batches, and nothing else changes. */

const MAX_ATTEMPTS = 4;

const planWith = (change: Parameters<typeof smallDataset>[0]): Plan =>
  planOf(
    smallDataset((spec) => {
      spec.quality = { ...spec.quality, maxAttempts: MAX_ATTEMPTS };
      change?.(spec);
    }),
  );

const PLANS = {
  plain: planWith((spec) => {
    spec.quality = { ...spec.quality, keepRejected: 3 };
  }),
  pairs: planWith((spec) => {
    spec.quota.pairs = { axis: 'sex' };
  }),
  'in order': planWith(withFeatures),
} as const;

/** Whether an attempt of a sample passes, by index. */
type Passes = (index: number, attempt: number) => boolean;

interface Run extends Partial<ShardContext> {
  readonly plan: Plan;
  readonly passes: Passes;
  /** The engine fails at its n-th call. */
  readonly stopsAt?: number;
}

/** Work on the first shard, with an engine that answers from a table. @returns the sizes of the batches, and the counts */
async function run(store: ObjectStore, { plan, passes, stopsAt = Number.POSITIVE_INFINITY, ...change }: Run) {
  const known = new Map<string, { index: number; attempt: number }>();
  const keyOf = (seed: number, axes: object): string => `${seed} ${JSON.stringify(axes)}`;
  for (const { index, axes } of samplesBetween(plan, 0, plan.samples))
    for (let attempt = 0; attempt < plan.spec.quality.maxAttempts; attempt++)
      known.set(keyOf(seedOf(plan, index, attempt), axes), { index, attempt });
  const batches: number[] = [];
  const counts = new CellCounts();
  const context = drawingContext(plan, store, {
    judge: async (images, requests) => {
      if (batches.length >= stopsAt) throw new StoppedError('stopped');
      batches.push(images.length);
      return requests.map(({ seed, axes }) => {
        const { index, attempt } = known.get(keyOf(seed, axes))!;
        const passed = passes(index, attempt);
        return { sex: { score: passed ? 0.75 : 0.25, passed }, age: { score: 50, passed: true } };
      });
    },
    onBatch: ({ cells }) => counts.add(cells),
    ...change,
  });
  const record = await runShard(context, 0);
  return { record, batches, counts: counts.list().sort((a, b) => a.cell - b.cell) };
}

async function freshStore(): Promise<{ store: ObjectStore; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-ahead-'));
  return { store: openStore(dir), remove: () => rm(dir, { recursive: true, force: true }) };
}

/** The JSON of each sample of the first shard. */
async function samplesIn(store: ObjectStore, plan: Plan): Promise<SampleRecord[]> {
  const tar = (await store.get(objects.shard(plan.name, 0)))!;
  return listMembers(tar)
    .filter(({ name }) => name.endsWith('.json'))
    .map(({ offset, size }) => JSON.parse(Buffer.from(tar.subarray(offset, offset + size)).toString()));
}

/** All that a committed shard has left, but the images that were kept to look at: which those are is a matter of time. */
async function contentOf(store: ObjectStore): Promise<Record<string, string>> {
  const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key).filter((key) => !/^rejected\//.test(key));
  const bodies = await Promise.all(keys.map((key) => store.get(key)));
  return Object.fromEntries(keys.map((key, i) => [key, Buffer.from(bodies[i]!).toString('base64')]));
}

const table = fc.array(fc.array(fc.boolean(), { minLength: MAX_ATTEMPTS, maxLength: MAX_ATTEMPTS }), {
  minLength: 10,
  maxLength: 10,
});
const sizes = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }))
  .map(([batchSize, rows]) => ({ batchSize, rows }));

for (const [name, plan] of Object.entries(PLANS)) {
  test(`whatever the gates say and however many rows there are, a shard is that of one attempt at a time (${name})`, async () => {
    await fc.assert(
      fc.asyncProperty(table, sizes, fc.integer({ min: 0, max: 6 }), async (verdicts, { batchSize, rows }, stopsAt) => {
        const passes: Passes = (index, attempt) => verdicts[index]![attempt]!;
        const [one, many, again] = [await freshStore(), await freshStore(), await freshStore()];
        const alone = await run(one.store, { plan, passes, batchSize: 1, rows: 1 });
        const ahead = await run(many.store, { plan, passes, batchSize, rows });
        assert.deepEqual(ahead.record, alone.record);
        assert.deepEqual(ahead.counts, alone.counts, 'progress counts what records count');
        assert.ok(ahead.batches.every((size) => size <= batchSize));
        const content = await contentOf(one.store);
        assert.deepEqual(await contentOf(many.store), content);
        for (const { key } of await Array.fromAsync(many.store.list('rejected/')))
          if (key.endsWith('.json'))
            assertRejected(passes, JSON.parse(Buffer.from((await many.store.get(key))!).toString()));
        // Stopped anywhere, and taken up by a worker of another batch size.
        await run(again.store, { plan, passes, batchSize, rows, stopsAt }).catch((error) =>
          assert.ok(error instanceof StoppedError, error),
        );
        await run(again.store, { plan, passes, batchSize: rows, rows: batchSize });
        assert.equal((await run(again.store, { plan, passes })).record.sha256, alone.record.sha256);
        for (const { remove } of [one, many, again]) await remove();
      }),
      { numRuns: 15 },
    );
  });
}

/** An image that was kept as rejected is one that was needed: its sample has no accepted attempt before it. */
function assertRejected(passes: Passes, { index, attempt }: { index: number; attempt: number }): void {
  for (let earlier = 0; earlier <= attempt; earlier++) assert.equal(passes(index, earlier), false);
}

test('the image of a sample is its first attempt that passes, and every one before it is recorded', async () => {
  await fc.assert(
    fc.asyncProperty(table, sizes, async (verdicts, { batchSize, rows }) => {
      const plan = PLANS.plain;
      const { store, remove } = await freshStore();
      const passes: Passes = (index, attempt) => verdicts[index]![attempt]!;
      const { record } = await run(store, { plan, passes, batchSize, rows });
      const first = verdicts.map((row) => row.indexOf(true));
      const { start } = shardRange(plan, 0);
      assert.deepEqual(
        (await samplesIn(store, plan)).map(({ index, attempt, seed, rejected }) => [
          index,
          attempt,
          seed,
          rejected.map((one) => [one.attempt, one.seed]),
        ]),
        first.flatMap((attempt, i) => {
          const seeds = Array.from({ length: attempt + 1 }, (_, k) => seedOf(plan, start + i, k));
          return attempt < 0
            ? []
            : [[start + i, attempt, seeds[attempt], seeds.slice(0, -1).map((seed, k) => [k, seed])]];
        }),
      );
      assert.deepEqual(
        record.exhausted,
        first.flatMap((attempt, i) => (attempt < 0 ? [start + i] : [])),
      );
      assert.equal(
        record.attempts,
        first.reduce((sum, attempt) => sum + (attempt < 0 ? MAX_ATTEMPTS : attempt + 1), 0),
      );
      await remove();
    }),
    { numRuns: 15 },
  );
});

test('spare rows get the next attempt of every sample before a second one, and none past the last', async () => {
  const { store, remove } = await freshStore();
  const asked: string[] = [];
  const plan = PLANS.plain;
  const drawing = drawingContext(plan, store);
  const names = new Map(
    samplesBetween(plan, 0, 10).flatMap(({ index }) =>
      Array.from({ length: MAX_ATTEMPTS }, (_, attempt) => [seedOf(plan, index, attempt), `${index}.${attempt}`]),
    ),
  );
  await run(store, {
    plan,
    passes: (index) => index < 8,
    batchSize: 8,
    rows: 8,
    sample: async (requests) => {
      asked.push(requests.map(({ seed }) => names.get(seed)).join(' '));
      const images = await drawing.sample(requests);
      return images.map((image, i) => {
        const passed = Number(names.get(requests[i]!.seed)!.split('.')[0]) < 8;
        return { ...image, verdicts: { sex: { score: 0.5, passed } } };
      });
    },
  });
  assert.deepEqual(asked, ['0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0', '8.0 9.0 8.1 9.1 8.2 9.2 8.3 9.3']);
  await remove();
});

/** A number from 0 to 1 that only the seed decides (the finalizer of MurmurHash3). */
function toss(seed: number): number {
  let hash = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** Batches of a shard of 1,000 images of which 80 % pass, and the least that its attempts need. */
async function batchesOf(seed: number, rows: number): Promise<{ batches: number; least: number }> {
  const { store, remove } = await freshStore();
  const plan = planOf(
    smallDataset((spec) => {
      Object.assign(spec, { seed });
      spec.quota.samples = 1000;
      spec.output.shard = { samples: 1000 };
      spec.workers = { batchSize: 32, checkpointSamples: 250 };
    }),
  );
  const passes: Passes = (index, attempt) => toss(seedOf(plan, index, attempt)) < 0.8;
  const { batches, record } = await run(store, { plan, passes, rows, encode: async () => Buffer.from('an image') });
  await remove();
  return { batches: batches.length, least: Math.ceil(record.attempts / 32) };
}

test('a shard of 1,000 images at 80 % acceptance and 32 rows takes hardly more batches than its attempts fill', async (t) => {
  let [copies, ahead, least] = [0, 0, 0];
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const [plain, filled] = [await batchesOf(seed, 1), await batchesOf(seed, 32)];
    assert.ok(filled.batches <= plain.batches && filled.batches <= filled.least + 1, `${filled.batches}`);
    copies += plain.batches;
    ahead += filled.batches;
    least += filled.least;
  }
  t.diagnostic(
    `batches of six shards: ${copies} with copies in spare rows, ${ahead} with attempts ahead, ${least} at least`,
  );
  assert.ok(ahead < copies);
});
