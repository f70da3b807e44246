import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tallyFault, totals } from '../contract/account/tally.ts';
import { StoppedError } from '../contract/failure.ts';
import { objects } from '../contract/names.ts';
import { listMembers } from '../dataset/shard/tar.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { openStore } from '../platform/store/store.ts';
import { drawImage, drawingContext, planOf, smallDataset } from '../test/support/dataset.ts';
import { CellCounts } from './counts.ts';
import { runShard, type ShardContext } from './run-shard.ts';

async function freshStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

/** A store in which the n-th write (from 0) and all later ones fail, as if the worker had been killed. */
function failingAt(store: ObjectStore, n: number): ObjectStore {
  let writes = 0;
  return {
    uri: store.uri,
    assertConditional: async () => {},
    get: store.get.bind(store),
    stat: store.stat.bind(store),
    list: store.list.bind(store),
    remove: store.remove.bind(store),
    replace: store.replace.bind(store),
    create: (...args) => (writes++ >= n ? Promise.reject(new Error('killed')) : store.create(...args)),
  };
}

const plan = planOf(smallDataset());

test('a shard ends with its record, whose counts add up and whose samples are in order', async (t) => {
  const store = await freshStore(t);
  const record = await runShard(drawingContext(plan, store), 1);
  assert.equal(record.accepted, 10);
  assert.ok(record.attempts > record.accepted, 'the gate refuses some images');
  assert.deepEqual(
    record.cells.map(tallyFault),
    record.cells.map(() => null),
  );
  const names = listMembers((await store.get(record.key))!).map(({ name }) => name);
  const expected = Array.from({ length: 10 }, (_, i) => `0000000${i + 10}`).flatMap((key) => [
    `${key}.png`,
    `${key}.txt`,
    `${key}.json`,
  ]);
  assert.deepEqual(names, expected);
});

test('a shard that is killed at any write and run again has the bytes of an undisturbed one', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  for (let n = 0; n < 8; n++) {
    const store = await freshStore(t);
    const failure = await runShard(drawingContext(plan, failingAt(store, n)), 0).then(
      () => null,
      (error: Error) => error.message,
    );
    assert.equal(failure, n < 6 ? 'killed' : null, `write ${n} of 3 parts, seal, tar, record`);
    assert.equal((await runShard(drawingContext(plan, store), 0)).sha256, sha256);
  }
});

const keysBelow = async (store: ObjectStore, prefix: string): Promise<string[]> =>
  (await Array.fromAsync(store.list(prefix))).map(({ key }) => key);

/** Changes one bit of a stored object. */
async function flip(store: ObjectStore, key: string, at: (bytes: Uint8Array) => number): Promise<void> {
  const bytes = Uint8Array.from((await store.get(key))!);
  bytes[at(bytes)]! ^= 1;
  await store.replace(key, bytes, { contentType: 'application/x-tar' });
}

test('M2: a part that is damaged between its checkpoint and the seal is made again, not sealed', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  const places = [
    () => 0,
    () => 600,
    (bytes: Uint8Array) => bytes.length >> 1,
    (bytes: Uint8Array) => bytes.length - 1100,
  ];
  for (const at of places) {
    const store = await freshStore(t);
    // Three parts are stored; the seal is the fourth write.
    await assert.rejects(runShard(drawingContext(plan, failingAt(store, 3)), 0), /killed/);
    const parts = (await keysBelow(store, objects.shardWork(0))).filter((key) => key.endsWith('.tar'));
    await flip(store, parts[1]!, at);
    assert.equal((await runShard(drawingContext(plan, store), 0)).sha256, sha256);
  }
});

test('M6: a seal whose part is lost or damaged heals by itself', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  for (const harm of ['lost', 'damaged', 'all lost'] as const) {
    const store = await freshStore(t);
    await assert.rejects(runShard(drawingContext(plan, failingAt(store, 4)), 0), /killed/);
    const keys = await keysBelow(store, objects.shardWork(0));
    assert.ok(keys.includes(objects.seal(0)));
    const parts = keys.filter((key) => key.endsWith('.tar'));
    if (harm === 'damaged') await flip(store, parts[0]!, (bytes) => bytes.length >> 1);
    else await store.remove(harm === 'lost' ? parts.slice(1, 2) : parts);
    assert.equal((await runShard(drawingContext(plan, store), 0)).sha256, sha256, harm);
  }
});

test('M6: a tar that is written already needs no parts to be committed', async (t) => {
  const store = await freshStore(t);
  await assert.rejects(runShard(drawingContext(plan, failingAt(store, 5)), 0), /killed/);
  await store.remove((await keysBelow(store, objects.shardWork(0))).filter((key) => key.endsWith('.tar')));
  const generate = () => Promise.reject(new Error('nothing is generated again'));
  assert.equal((await runShard(drawingContext(plan, store, { generate }), 0)).accepted, 10);
});

test('M6: a seal that is damaged is made again, whether or not it still reads as one', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  const sealed = await freshStore(t);
  await assert.rejects(runShard(drawingContext(plan, failingAt(sealed, 4)), 0), /killed/);
  const sound = (await sealed.get(objects.seal(0)))!;
  const attempts = Buffer.from(sound).indexOf('"attempts":') + '"attempts":'.length;
  for (const at of [0, attempts, sound.length >> 1, sound.length - 4]) {
    const damaged = Uint8Array.from(sound);
    damaged[at]! ^= 1;
    await sealed.replace(objects.seal(0), damaged, { contentType: 'application/json' });
    // Killed before the tar, so that each damage meets the same state.
    await assert.rejects(runShard(drawingContext(plan, failingAt(sealed, 1)), 0), /killed/);
    assert.deepEqual(await sealed.get(objects.seal(0)), sound, `byte ${at}`);
  }
  assert.equal((await runShard(drawingContext(plan, sealed), 0)).sha256, sha256);
});

let images = 0;

/** A worker whose hardware never computes the same twice. */
function unrepeatable(store: ObjectStore) {
  return drawingContext(plan, store, {
    encode: (image, prompt) => {
      const data = image.data.with(1, images++ % 251);
      return drawingContext(plan, store).encode({ ...image, data }, prompt);
    },
  });
}

test('M6: a tar of a seal that was made again is committed with the record that belongs to it', async (t) => {
  const store = await freshStore(t);
  // The second worker has read seal and parts, and is slow to write the tar.
  await assert.rejects(runShard(unrepeatable(failingAt(store, 4)), 0), /killed/);
  const seal = (await store.get(objects.seal(0)))!;
  const parts = (await keysBelow(store, objects.shardWork(0))).filter((key) => key.endsWith('.tar'));
  const tar = await freshStore(t);
  for (const key of parts) await tar.create(key, (await store.get(key))!, { contentType: 'application/x-tar' });
  await tar.create(objects.seal(0), seal, { contentType: 'application/json' });
  const theirs = await runShard(unrepeatable(tar), 0);
  // Meanwhile a part is lost, and the first worker makes it and the seal again; it is killed before its own tar.
  await store.remove(parts.slice(0, 1));
  await assert.rejects(runShard(unrepeatable(failingAt(store, 3)), 0), /killed/);
  assert.notDeepEqual(await store.get(objects.seal(0)), seal);
  // The slow worker's tar arrives; it is killed before the record.
  await store.create(theirs.key, (await tar.get(theirs.key))!, { contentType: 'application/x-tar' });
  const record = await runShard(unrepeatable(store), 0);
  assert.deepEqual(record, theirs);
  assert.equal((await store.get(objects.record(0)))?.length, (await tar.get(objects.record(0)))?.length);
});

test('a shard that another farm committed meanwhile is taken as it is', async (t) => {
  const store = await freshStore(t);
  const other = await freshStore(t);
  const theirs = await runShard(drawingContext(plan, other, { provider: 'cuda' }), 0);
  await assert.rejects(runShard(drawingContext(plan, failingAt(store, 4)), 0), /killed/);
  const tar = Uint8Array.from((await other.get(theirs.key))!);
  tar[5000]! ^= 1;
  await store.create(theirs.key, tar, { contentType: 'application/x-tar' });
  await store.create(objects.record(0), (await other.get(objects.record(0)))!, { contentType: 'application/json' });
  assert.equal((await runShard(drawingContext(plan, store), 0)).provider, 'cuda');
});

test('batch and checkpoint sizes do not change the bytes', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  for (const [batchSize, checkpointSamples] of [
    [1, 1],
    [3, 7],
    [16, 100],
  ] as const) {
    const record = await runShard(drawingContext(plan, await freshStore(t), { batchSize, checkpointSamples }), 0);
    assert.equal(record.sha256, sha256);
  }
});

test('two workers at one shard agree, even when the arithmetic of their hardware differs', async (t) => {
  const store = await freshStore(t);
  const other = drawingContext(plan, store, {
    checkpointSamples: 3,
    encode: async (image, prompt) => {
      const data = image.data.map((value) => value ^ 1);
      return drawingContext(plan, store).encode({ ...image, data }, prompt);
    },
  });
  const [a, b] = await Promise.all([runShard(drawingContext(plan, store), 0), runShard(other, 0)]);
  assert.deepEqual(a, b);
  assert.equal((await store.get(a.key))!.length, a.bytes);
});

test('a committed shard is not generated again', async (t) => {
  const store = await freshStore(t);
  const record = await runShard(drawingContext(plan, store), 0);
  const again = drawingContext(plan, store, { generate: () => Promise.reject(new Error('generated again')) });
  assert.deepEqual(await runShard(again, 0), record);
});

test('a stopped shard stores at once what is accepted, and what follows has the bytes of an undisturbed one', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  const store = await freshStore(t);
  let batches = 0;
  let left = 0;
  const stopped = drawingContext(plan, store, {
    checkpointSamples: 10,
    generate: async (batch) => {
      if (++batches > 2) throw new StoppedError('stopped');
      return batch.map(({ seed }) => drawImage(seed));
    },
  });
  await assert.rejects(runShard(stopped, 0), StoppedError);
  const keys: string[] = [];
  for await (const { key } of store.list(objects.shardWork(0))) keys.push(key);
  assert.equal(keys.length, 1);
  const end = Number(/-(\d+)\.tar$/.exec(keys[0]!)![1]);
  assert.ok(end > 0 && end < 8, `two batches of 4 came to the ${end} images before the first that was rejected`);
  const resumed = drawingContext(plan, store, { onResume: ({ samples }) => (left = samples) });
  assert.equal((await runShard(resumed, 0)).sha256, sha256);
  assert.equal(left, end);
});

test('the next batch is asked for before the last one is looked at, and bytes do not depend on it', async (t) => {
  const { sha256 } = await runShard(drawingContext(plan, await freshStore(t)), 0);
  const open: number[] = [];
  let asked = 0;
  const drawing = drawingContext(plan, await freshStore(t));
  const context: ShardContext = {
    ...drawing,
    sample: async (batch) => {
      open.push(++asked);
      await new Promise((resolve) => setTimeout(resolve, 5));
      open.push(-asked);
      return drawing.sample(batch);
    },
  };
  assert.equal((await runShard(context, 0)).sha256, sha256);
  assert.deepEqual(open.slice(0, 2), [1, 2], 'two are open');
});

const never = { judge: async (images: readonly unknown[]) => images.map(() => ({ sex: { score: 0, passed: false } })) };

test('A6: a shard is committed whatever onExhausted says, and accounts for samples that no attempt satisfies', async (t) => {
  const outcomes = (['Fail', 'Shortfall'] as const).map(async (onExhausted) => {
    const its = planOf(smallDataset((spec) => Object.assign(spec.quality!, { onExhausted })));
    const store = await freshStore(t);
    const record = await runShard(drawingContext(its, store, never), 0);
    return { record, digest: its.digest };
  });
  const [failing, tolerant] = await Promise.all(outcomes);
  assert.deepEqual(failing, tolerant);
  const { accepted, attempts, exhausted } = failing!.record;
  assert.deepEqual([accepted, attempts, exhausted], [0, 80, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
});

test('a degenerate image is never accepted, and is counted under its own name', async (t) => {
  const withoutGates = planOf(
    smallDataset((spec) => {
      spec.quality = { maxAttempts: 8 };
    }),
  );
  let images = 0;
  const context = drawingContext(withoutGates, await freshStore(t), {
    judge: async (batch) => batch.map(() => ({})),
    generate: async (batch) =>
      batch.map(({ seed }) => {
        const image = drawImage(seed);
        return images++ % 3 === 0 ? { ...image, data: new Uint8Array(image.data.length) } : image;
      }),
  });
  const record = await runShard(context, 0);
  assert.equal(record.accepted, 10);
  const { rejected } = totals(record.cells);
  assert.deepEqual(Object.keys(rejected), ['degenerate']);
  assert.equal(record.attempts, 10 + rejected.degenerate!);
});

test('rejected images are kept to look at, no more than asked for in a cell, also when the work is done again', async (t) => {
  const store = await freshStore(t);
  const keeping = planOf(
    smallDataset((spec) => {
      spec.quality = { ...spec.quality, keepRejected: 2 };
    }),
  );
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('rejected/')) found.push(key);
    return found;
  };
  await runShard(drawingContext(keeping, failingAt(store, 4)), 0).catch(() => {});
  for (let shard = 0; shard < keeping.shards; shard++) await runShard(drawingContext(keeping, store), shard);
  const kept = await keys();
  const byCell = Map.groupBy(kept, (key) => key.split('/')[1]);
  for (const list of byCell.values()) assert.ok(list.length <= 4, 'an image and its JSON for each of two places');
  const texts = await Promise.all(
    kept.filter((key) => key.endsWith('.json')).map(async (key) => `${await store.get(key)}`),
  );
  assert.ok(texts.length > 2);
  assert.equal(new Set(texts).size, texts.length, 'no image is kept twice');
  assert.equal(kept.length, 2 * texts.length);
});

test('what the batches bring adds up to the record, cell by cell', async (t) => {
  const counts = new CellCounts();
  const context = drawingContext(plan, await freshStore(t), { onBatch: ({ cells }) => counts.add(cells) });
  const record = await runShard(context, 0);
  const { cells } = plan.allocation.grid;
  const told = counts.list().map(({ cell, ...rest }) => ({ cell: cells[cell]!.id, ...rest }));
  const byCell = <T extends { cell: string }>(list: readonly T[]) =>
    list.toSorted((a, b) => (a.cell < b.cell ? -1 : 1));
  assert.deepEqual(byCell(told), byCell(record.cells.map(({ wanted: _wanted, ...rest }) => rest)));
});
