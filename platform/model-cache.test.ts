import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cachedCopy } from './model-cache.ts';
import { type ObjectStore, openStore } from './store/store.ts';

const MIB = 2 ** 20;
const TEXT = { contentType: 'application/octet-stream' };
const WANTED = { includes: () => true };

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-model-cache-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The store, whose reads at these places (`KEY:START`) wait until they are resumed. */
function pausedAt(store: ObjectStore, ...places: string[]) {
  const stops = new Map(places.map((place) => [place, [Promise.withResolvers<void>(), Promise.withResolvers<void>()]]));
  const get: ObjectStore['get'] = async (name, range) => {
    const [reached, resumed] = stops.get(`${name}:${range?.start}`) ?? [];
    reached?.resolve();
    await resumed?.promise;
    return store.get(name, range);
  };
  const paused = { list: store.list.bind(store), uri: store.uri, get } as ObjectStore;
  return {
    store: paused,
    reached: (place: string) => stops.get(place)![0]!.promise,
    resume: (place: string) => stops.get(place)![1]!.resolve(),
  };
}

/** Waits until a download has this many bytes of a file. */
async function downloaded(cache: string, file: string, bytes: number): Promise<void> {
  for (;;) {
    const names = await readdir(join(cache, 'models'));
    const sizes = await Promise.all(
      names.map((name) =>
        stat(join(cache, 'models', name, file)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    if (sizes.some((size) => size >= bytes)) return;
    await sleep(5);
  }
}

test('a download that stood still and wakes up does not touch the files of the one that took it over', async (t) => {
  const [source, cache] = [await freshFolder(t), await freshFolder(t)];
  const store = openStore(source);
  const weights = randomBytes(40 * MIB);
  await store.create('a.bin', Buffer.from('a'), TEXT);
  await store.create('b.bin', weights, TEXT);
  const last = `b.bin:${32 * MIB}`;
  const [start, resumed] = ['b.bin:0', `b.bin:${16 * MIB}`];
  const first = pausedAt(store, 'a.bin:0', start, resumed);
  const second = pausedAt(store, last);
  // The first never touches its lock, as a machine that stands still would not.
  const stalled = cachedCopy(first.store, WANTED, cache, { touchMs: 3_600_000, staleMs: 200 });
  await first.reached('a.bin:0');
  const copy = cachedCopy(second.store, WANTED, cache, { touchMs: 20, staleMs: 200 });
  await second.reached(last);
  await downloaded(cache, 'b.bin', 32 * MIB);
  first.resume('a.bin:0');
  await Promise.race([first.reached(start), first.reached(resumed)]);
  second.resume(last);
  const { dir } = (await copy)!;
  assert.ok((await readFile(join(dir, 'b.bin'))).equals(weights));
  first.resume(start);
  first.resume(resumed);
  assert.equal((await stalled)!.dir, dir);
  assert.ok((await readFile(join(dir, 'b.bin'))).equals(weights));
});

test('a folder of another download is left alone while it is written, whatever the clock of this machine says', async (t) => {
  const [source, cache] = [await freshFolder(t), await freshFolder(t)];
  const store = openStore(source);
  await store.create('a.bin', Buffer.from('a'), TEXT);
  const now = Date.now();
  const [live, left] = ['incoming-live', 'incoming-left'].map((name) => join(cache, 'models', name)) as [
    string,
    string,
  ];
  for (const folder of [live, left]) await mkdir(folder, { recursive: true });
  await utimes(left, new Date(now - 7_200_000), new Date(now - 7_200_000));
  // This machine's clock is two hours ahead of the file server's.
  t.mock.method(Date, 'now', () => now + 7_200_000);
  await cachedCopy(store, WANTED, cache);
  assert.deepEqual(
    (await readdir(join(cache, 'models'))).filter((name) => name.startsWith('incoming-')),
    ['incoming-live'],
  );
});
