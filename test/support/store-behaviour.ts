import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { StoreError } from '../../platform/store/errors.ts';
import type { ObjectStore } from '../../platform/store/types.ts';

const TEXT = { contentType: 'text/plain' };
const RACERS = 40;

/**
 * The tests that every kind of store must pass.
 * @param openAt opens a store on an empty place of that name; called twice with one name, both see the same objects
 */
export function describeStore(name: string, openAt: (place: string) => ObjectStore): void {
  describe(`${name}: one object`, () => describeObject(openAt));
  describe(`${name}: names`, () => describeNames(openAt));
  describe(`${name}: racing writers`, () => describeRaces(openAt));
}

function describeObject(openAt: (place: string) => ObjectStore): void {
  it('H5: proves that it never overwrites, and leaves nothing of that', async () => {
    const store = openAt('conditional');
    await store.assertConditional('_work/probe');
    assert.equal(await store.stat('_work/probe'), null);
  });

  it('is absent, then created once, then never overwritten', async () => {
    const store = openAt('once');
    assert.equal(await store.get('a/b.txt'), null);
    assert.equal(await store.stat('a/b.txt'), null);
    assert.equal(await store.create('a/b.txt', bytes('first'), TEXT), 'created');
    assert.equal(await store.create('a/b.txt', bytes('second'), TEXT), 'exists');
    assert.equal(text(await store.get('a/b.txt')), 'first');
    assert.deepEqual(await store.stat('a/b.txt'), { size: 5 });
  });

  it('may come in chunks, and may be empty', async () => {
    const store = openAt('chunks');
    const chunks = Array.from({ length: 3000 }, () => randomBytes(700));
    assert.equal(await store.create('chunks', chunks, TEXT), 'created');
    assert.ok(Buffer.concat(chunks).equals((await store.get('chunks'))!));
    const stream = { size: 3000 * 700, chunks: () => Readable.from(chunks) };
    assert.equal(await store.create('stream', stream, TEXT), 'created');
    assert.ok(Buffer.concat(chunks).equals((await store.get('stream'))!));
    assert.equal(await store.create('stream', stream, TEXT), 'exists');
    for (const [key, body] of [['empty', bytes('')] as const, ['none', []] as const]) {
      assert.equal(await store.create(key, body, TEXT), 'created');
      assert.deepEqual(await store.stat(key), { size: 0 });
      assert.equal((await store.get(key))?.length, 0);
      assert.equal((await store.get(key, { start: 0, end: 4 }))?.length, 0);
    }
  });

  it('gives the part of a range that it has', async () => {
    const store = openAt('ranges');
    await store.create('digits', bytes('0123456789'), TEXT);
    const cases: [number, number, string][] = [
      [0, 10, '0123456789'],
      [0, 1, '0'],
      [3, 6, '345'],
      [9, 10, '9'],
      [8, 20, '89'],
      [10, 12, ''],
      [50, 60, ''],
      [4, 4, ''],
    ];
    for (const [start, end, expected] of cases) {
      assert.equal(text(await store.get('digits', { start, end })), expected, `[${start}, ${end})`);
    }
    assert.equal(await store.get('absent', { start: 0, end: 1 }), null);
    assert.equal(await store.get('absent', { start: 1, end: 1 }), null);
  });

  it('can be replaced whole', async () => {
    const store = openAt('replace');
    await store.replace('report.html', bytes('one, and longer'), TEXT);
    await store.replace('report.html', [bytes('t'), bytes('wo')], TEXT);
    assert.equal(text(await store.get('report.html')), 'two');
    assert.equal(await store.create('report.html', bytes('three'), TEXT), 'exists');
  });

  it('can be removed, and created again', async () => {
    const store = openAt('remove');
    await store.create('parts/0/a', bytes('x'), TEXT);
    await store.create('parts/0/b', bytes('x'), TEXT);
    await store.remove(['parts/0/a', 'parts/0/absent', 'absent']);
    await store.remove([]);
    assert.deepEqual(await keysOf(store, ''), ['parts/0/b']);
    await store.remove(['parts/0/b']);
    assert.deepEqual(await keysOf(store, ''), []);
    assert.equal(await store.create('parts/0/a', bytes('y'), TEXT), 'created');
  });
}

function describeNames(openAt: (place: string) => ObjectStore): void {
  it('are listed in byte order, by prefix, with sizes', async () => {
    const store = openAt('order');
    const keys = ['a', 'a.b', 'a0', 'B', 'dir/x', 'dir-x', 'dir.x', 'dir0', 'é', '\uffee', '😀', 'z z', 'p%20q', 'p+q'];
    for (const key of keys) await store.create(key, bytes(key), TEXT);
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const listed = await Array.fromAsync(store.list(''));
    assert.deepEqual(
      listed.map(({ key, size }) => ({ key, size })),
      sorted.map((key) => ({ key, size: Buffer.byteLength(key) })),
    );
    assert.deepEqual(await keysOf(store, 'dir'), ['dir-x', 'dir.x', 'dir/x', 'dir0']);
    assert.deepEqual(await keysOf(store, 'dir/'), ['dir/x']);
    assert.deepEqual(await keysOf(store, 'absent/'), []);
    for (const key of keys) assert.equal(text(await store.get(key)), key);
  });

  it('are listed with a tag that changes with the content, where the store has tags', async () => {
    const store = openAt('tags');
    for (const content of ['one', 'two', 'one']) {
      await store.replace('seen', bytes(content), TEXT);
      await store.replace(content, bytes(content), TEXT);
    }
    const tags = new Map((await Array.fromAsync(store.list(''))).map(({ key, etag }) => [key, etag]));
    assert.equal(tags.get('seen'), tags.get('one'));
    if (tags.get('seen') !== undefined) assert.notEqual(tags.get('seen'), tags.get('two'));
  });

  it('are listed beyond one page of a thousand', async () => {
    const store = openAt('many');
    const keys = Array.from({ length: 1205 }, (_, index) => `records/${String(index).padStart(6, '0')}.json`);
    await inParallel(keys, 16, (key) => store.create(key, bytes('{}'), TEXT));
    assert.deepEqual(await keysOf(store, 'records/'), keys);
    assert.deepEqual(await keysOf(store, 'records/00120'), keys.slice(1200));
    await store.remove(keys);
    assert.deepEqual(await keysOf(store, ''), []);
  });

  it('that could leave the store or that not every store can hold are refused', async () => {
    const store = openAt('names');
    const long = 'x'.repeat(1025);
    for (const key of ['', '/etc/passwd', '../up', 'a/../../b', 'a//b', 'a/', './a', 'a\0b', 'a\nb', '\ud800', long]) {
      const refused = (error: unknown) => error instanceof StoreError && !error.retryable;
      await assert.rejects(store.get(key), refused, JSON.stringify(key));
      await assert.rejects(store.stat(key), refused);
      await assert.rejects(store.create(key, bytes('x'), TEXT), refused);
      await assert.rejects(store.replace(key, bytes('x'), TEXT), refused);
      await assert.rejects(store.remove([key]), refused);
    }
    await assert.rejects(keysOf(store, '../'), StoreError);
    assert.deepEqual(await keysOf(store, ''), []);
  });
}

function describeRaces(openAt: (place: string) => ObjectStore): void {
  it(`of one object have one winner among ${RACERS}, whose bytes all others then see`, async () => {
    for (let round = 0; round < 5; round++) {
      const bodies = Array.from({ length: RACERS }, (_, index) => randomBytes(20_000 + index));
      const race = bodies.map((body) => openAt('race').create(`round/${round}`, body, TEXT));
      const outcomes = await Promise.all(race);
      assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1);
      assert.ok(bodies[outcomes.indexOf('created')]!.equals((await openAt('race').get(`round/${round}`))!));
    }
  });

  it('and removers of neighbours never lose an object', async () => {
    const store = openAt('churn');
    const lanes = Array.from({ length: 8 }, (_, lane) => lane);
    await Promise.all(
      lanes.map(async (lane) => {
        for (let turn = 0; turn < 20; turn++) {
          const key = `deep/folder/${lane}`;
          assert.equal(await store.create(key, bytes(`${turn}`), TEXT), 'created');
          assert.equal(text(await store.get(key)), `${turn}`);
          await store.remove([key]);
        }
      }),
    );
    assert.deepEqual(await keysOf(store, ''), []);
  });
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  return Array.fromAsync(store.list(prefix), ({ key }) => key);
}

async function inParallel<T>(items: readonly T[], lanes: number, run: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of queue) await run(item);
    }),
  );
}

function bytes(value: string): Uint8Array {
  return Buffer.from(value);
}

function text(value: Uint8Array | null): string | null {
  return value && Buffer.from(value).toString();
}
