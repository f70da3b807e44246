import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoppedError } from '../contract/failure.ts';
import { objects } from '../contract/names.ts';
import type { ShardSource } from '../platform/queue/types.ts';
import { type ObjectStore, openStore, StoreError } from '../platform/store/store.ts';
import { REPO } from '../test/support/cli.ts';
import { planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { arraySource } from './array-source.ts';
import { type Work, type WorkObserver, work } from './work.ts';

/** The worker with an engine in another language, which waits where a model would calculate. */

interface Busy {
  readonly begin: number;
  readonly end: number;
  readonly device: string | null;
  readonly images: number;
}

/** Work with an engine that takes so many seconds for each batch. */
interface Growing extends Partial<Work> {
  readonly count?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds before each write. */
  readonly slow?: number;
}

const plan = planOf(
  smallDataset((spec) => {
    spec.quality = { maxAttempts: 8 };
    spec.output.shard = { samples: 12 };
  }),
);

const none = () => {};
const quiet: WorkObserver = {
  ready: none,
  begun: none,
  resumed: none,
  sampled: none,
  committed: none,
  crashed: none,
};

const allShards = (): ShardSource =>
  arraySource({ shards: Array.from({ length: plan.shards }, (_, shard) => shard), onRetry: none });

/** All shards; `open` has those whose lease is neither complete nor released. */
function watched(open: Set<number>): ShardSource {
  const source = allShards();
  return {
    ...source,
    async next(signal) {
      const lease = await source.next(signal);
      if (!lease) return null;
      const { shard } = lease;
      open.add(shard);
      return {
        ...lease,
        complete: (event) => lease.complete(event).finally(() => open.delete(shard)),
        release: (error) => lease.release(error).finally(() => open.delete(shard)),
      };
    },
  };
}

async function folderOf(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-work-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function grow(t: TestContext, seconds: number, change: Growing = {}) {
  const dir = await folderOf(t);
  const { count = 1, slow = 0, env = {}, ...rest } = change;
  const log = join(dir, 'log');
  const argv = ['python3', join(REPO, 'test/support/waiting-engine.py'), String(seconds), log];
  const store = creating(openStore(join(dir, 'out')), () => sleep(slow));
  const done = await work({
    prepared: { plan, modelDir: dir, gateDirs: [] } as unknown as Work['prepared'],
    store,
    claimant: RUN,
    source: allShards(),
    engines: { count, provider: 'auto', threads: 1, command: { argv, env } },
    name: 'test',
    stop: new AbortController().signal,
    observer: quiet,
    ...rest,
  });
  const lines = (await readFile(log, 'utf8')).trim().split('\n');
  const batches = lines.map((line) => JSON.parse(line) as Busy).filter(({ begin }) => begin !== undefined);
  return { done, batches, store };
}

/** A store that does something before each write: waits as over a network, or fails. */
const creating = (store: ObjectStore, before: (key: string) => Promise<void>): ObjectStore => ({
  uri: store.uri,
  assertConditional: store.assertConditional.bind(store),
  get: store.get.bind(store),
  stat: store.stat.bind(store),
  list: store.list.bind(store),
  remove: store.remove.bind(store),
  replace: store.replace.bind(store),
  async create(...args) {
    await before(args[0]);
    return store.create(...args);
  },
});

test('the device stays busy while images are rejected, parts are stored slowly and shards are committed', async (t) => {
  const gated = planOf(
    smallDataset((spec) => {
      spec.quota.samples = 16;
      spec.output.shard = { samples: 8 };
      spec.quality = { ...spec.quality, maxAttempts: 64 };
    }),
  );
  const prepared = { plan: gated, modelDir: '', gateDirs: ['', ''] } as unknown as Work['prepared'];
  const env = { ENGINE_REJECTS: 'odd', ENGINE_ROWS: '4' };
  const { done, batches } = await grow(t, 1.5, { slow: 300, prepared, env });
  assert.equal(done, gated.shards);
  const busy = batches.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const share = busy / (batches.at(-1)!.end - batches[0]!.begin);
  const pauses = batches.slice(1).map(({ begin }, i) => ((begin - batches[i]!.end) * 1000).toFixed(0));
  t.diagnostic(`${batches.length} batches, busy ${(100 * share).toFixed(2)} %, pauses of ${pauses.join(', ')} ms`);
  // Each write takes 300 ms: work that waited for the parts alone would show less than 95 %.
  assert.ok(share >= 0.98, `${share}`);
});

test('timers fire on time while an engine is blocked for seconds, so keep-alives and uploads go on', async (t) => {
  let last = performance.now();
  let longest = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    ticks++;
  }, 20);
  const { batches } = await grow(t, 2);
  clearInterval(timer);
  t.diagnostic(`${batches.length} calls of 2 s, ${ticks} ticks, the longest pause ${longest.toFixed(0)} ms`);
  assert.ok(longest < 1000, 'no pause comes near a call');
});

test('several devices are several engines, each of which sees one', async (t) => {
  const before = process.env.CUDA_VISIBLE_DEVICES;
  process.env.CUDA_VISIBLE_DEVICES = '4,6';
  t.after(() => {
    if (before === undefined) delete process.env.CUDA_VISIBLE_DEVICES;
    else process.env.CUDA_VISIBLE_DEVICES = before;
  });
  const { done, batches } = await grow(t, 0.3, { count: 2 });
  assert.equal(done, plan.shards);
  assert.deepEqual([...new Set(batches.map(({ device }) => device))].sort(), ['4', '6']);
});

test('a stop ends the work at once, in the middle of a batch', async (t) => {
  const stopping = new AbortController();
  const begun = () => stopping.abort(new StoppedError('stopped by hand'));
  const observer = { ...quiet, begun };
  const start = performance.now();
  await assert.rejects(grow(t, 30, { stop: stopping.signal, observer }), /stopped by hand/);
  assert.ok(performance.now() - start < 20_000);
});

test('work that fails stores the parts of every shard before it ends, and gives back their leases', async (t) => {
  const inner = openStore(join(await folderOf(t), 'out'));
  const lastPart = objects.part(1, 20, 24);
  const storing = Promise.withResolvers<void>();
  const store = creating(inner, async (key) => {
    if (key === lastPart) {
      storing.resolve();
      await sleep(500);
    }
    if (key !== objects.record(0)) return;
    await storing.promise;
    throw new StoreError('terminal', 'the bucket was made read-only');
  });
  const open = new Set<number>();
  await assert.rejects(grow(t, 0.05, { store, source: watched(open) }), /read-only/);
  assert.ok(await inner.stat(lastPart), 'the last part of the second shard is stored');
  assert.deepEqual([...open], []);
});

test('a stopped worker asks for no further shard, and keeps no lease', async (t) => {
  const open = new Set<number>();
  const stopping = new AbortController();
  const begun = () => stopping.abort(new StoppedError('stopped by hand'));
  const work = grow(t, 30, { source: watched(open), stop: stopping.signal, observer: { ...quiet, begun } });
  await assert.rejects(work, /stopped by hand/);
  assert.deepEqual([...open], []);
});

test('a shard that is given up ends the work at once', { timeout: 30_000 }, async (t) => {
  const store = creating(openStore(join(await folderOf(t), 'out')), async (key) => {
    if (key === objects.record(0)) throw new StoreError('retryable', 'the disk is full');
  });
  const source = arraySource({ shards: [0, 1], onRetry: none, pauseMs: 1 });
  await assert.rejects(grow(t, 0.05, { store, source }), /shard 0 failed 5 times, the last time: the disk is full/);
});

test('an engine that computes full batches in any case gets full ones, and the shards are the same', async (t) => {
  const gated = planOf(
    smallDataset((spec) => {
      spec.quality = { ...spec.quality, maxAttempts: 64 };
      spec.output.shard = { samples: 12 };
    }),
  );
  const prepared = { plan: gated, modelDir: '', gateDirs: ['', ''] } as unknown as Work['prepared'];
  const growWith = (rows: number) =>
    grow(t, 0.01, { prepared, env: { ENGINE_REJECTS: 'odd', ENGINE_ROWS: String(rows) } });
  const [one, four] = [await growWith(1), await growWith(4)];
  assert.deepEqual(new Set(four.batches.map(({ images }) => images)), new Set([4]));
  assert.ok(one.batches.length > four.batches.length, `${one.batches.length} and ${four.batches.length} batches`);
  for (let shard = 0; shard < gated.shards; shard++)
    assert.deepEqual(await four.store.get(objects.record(shard)), await one.store.get(objects.record(shard)));
});

test('engines of one worker share what they know of rejected images: each cell is listed once', async (t) => {
  const limit = 2;
  const gated = planOf(
    smallDataset((spec) => {
      spec.quality = { ...spec.quality, keepRejected: limit };
      spec.output.shard = { samples: 4 };
    }),
  );
  const inner = openStore(join(await folderOf(t), 'out'));
  const listed: string[] = [];
  const store: ObjectStore = {
    ...creating(inner, async () => {}),
    list(prefix) {
      if (/^rejected\/\d/.test(prefix)) listed.push(prefix);
      return inner.list(prefix);
    },
  };
  const prepared = { plan: gated, modelDir: '', gateDirs: ['', ''] } as unknown as Work['prepared'];
  const source = arraySource({ shards: Array.from({ length: gated.shards }, (_, i) => i), onRetry: none });
  await grow(t, 0.01, { count: 2, store, prepared, source, env: { ENGINE_REJECTS: 'odd' } });
  const cells = gated.allocation.grid.cells.map((_, cell) => objects.rejectedOf(cell));
  assert.deepEqual(listed.sort(), cells.sort());
  const kept = (await Array.fromAsync(inner.list('rejected/'))).map(({ key }) => key);
  assert.equal(kept.length, 2 * limit * cells.length, 'an image and its JSON in each place');
});
