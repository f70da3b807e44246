import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { testSigner } from '../../test/support/certificates.ts';
import { type SpecInput, smallDataset } from '../../test/support/dataset.ts';
import { growSmall } from '../../test/support/grown.ts';
import { renderDicom, uidOf } from './dicom.ts';
import { exportDataset } from './export.ts';
import { exporterOf, FORMATS } from './format.ts';

async function emptyStore(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

async function contents(store: ObjectStore): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  for await (const { key } of store.list('')) found.push([key, sha256((await store.get(key))!)]);
  return Object.fromEntries(found);
}

/** A store whose n-th write fails, and every one after it. */
function dyingStore(store: ObjectStore, n: number): ObjectStore {
  let writes = 0;
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (name !== 'create') return member.bind?.(target) ?? member;
      return (...args: Parameters<ObjectStore['create']>) => {
        if (writes++ >= n) throw new Error('killed');
        return target.create(...args);
      };
    },
  });
}

test('F9: an export that is killed at any write is finished by the next, byte for byte', async (t) => {
  const source = await emptyStore(t);
  await growSmall(source);
  const signer = await testSigner();
  for (const { format, ...more } of [...FORMATS.map((format) => ({ format })), { format: FORMATS[1], signer }]) {
    const request = { source, format, bodyPart: 'CHEST', ...more };
    const whole = await emptyStore(t);
    const shards: number[] = [];
    const { samples, written } = await exportDataset({
      ...request,
      target: whole,
      onShard: (done) => shards.push(done),
    });
    assert.deepEqual([samples, written, shards], [24, 24, [1, 2, 3]]);
    const expected = await contents(whole);
    // Claim, table, and a file for each sample or each of the 3 shards.
    const files = format === 'mds' ? 5 : 26;
    assert.equal(Object.keys(expected).length, files);
    for (const n of [0, 1, 5, 13, 25].filter((write) => write < files)) {
      const target = await emptyStore(t);
      const again = { ...request, onShard: () => {} };
      await assert.rejects(exportDataset({ ...again, target: dyingStore(target, n) }), /killed/);
      assert.ok(
        !Object.keys(await contents(target)).some((key) => /metadata|annotations|index/.test(key)),
        'no table yet',
      );
      await exportDataset({ ...again, target });
      assert.deepEqual(await contents(target), expected, `${format}, write ${n}`);
      assert.equal((await exportDataset({ ...again, target })).written, 0);
    }
  }
});

test('F9: MDS: a shard that was written is not read back, one that was there before is, and one that vanished is named', async (t) => {
  const source = await emptyStore(t);
  await growSmall(source);
  const target = await emptyStore(t);
  const read: string[] = [];
  const watched = new Proxy(target, {
    get(store, name) {
      const member = Reflect.get(store, name);
      if (name !== 'get') return member.bind?.(store) ?? member;
      return (...args: Parameters<ObjectStore['get']>) => {
        read.push(args[0]);
        return store.get(...args);
      };
    },
  });
  const request = { source, target: watched, format: 'mds', bodyPart: '', onShard: () => {} } as const;
  await exportDataset(request);
  assert.deepEqual(read, []);
  const index = await target.get('index.json');
  await target.remove(['index.json', 'shard.00002.mds']);
  await exportDataset(request);
  assert.deepEqual(read, ['export.json', 'shard.00000.mds', 'shard.00001.mds']);
  assert.deepEqual(await target.get('index.json'), index);
  const onShard = (done: number) => (done === 3 ? target.remove(['shard.00001.mds']) : undefined);
  const vanished = exportDataset({ ...request, onShard });
  await assert.rejects(vanished, /shard\.00001\.mds was removed during the export; run it again/);
});

test('F9: MDS: every column has a name of its own', async (t) => {
  const source = await emptyStore(t);
  const named = ({ quota }: SpecInput): void => {
    Object.assign(quota.axes, { image: { values: ['a', 'b'] }, axis_image: { values: ['c', 'd'] } });
  };
  await growSmall(source, smallDataset(named));
  const target = await emptyStore(t);
  await exportDataset({ source, target, format: 'mds', bodyPart: '', onShard: () => {} });
  const { shards } = JSON.parse(Buffer.from((await target.get('index.json'))!).toString());
  const names = ['age', 'age_years', 'axis_axis_image', 'axis_image', 'image', 'key', 'prompt', 'seed', 'sex'];
  assert.deepEqual(shards[0].column_names, names);
});

test('F9: MDS: a dataset without images is refused, before anything is written', async (t) => {
  const source = await emptyStore(t);
  const manifest = await growSmall(source);
  const none = { ...manifest, samples: { ...manifest.samples, accepted: 0 } };
  assert.throws(() => exporterOf('mds', none, { bodyPart: '' }), /StreamingDataset/);
});

const MANIFEST = {
  name: 'small',
  planDigest: 'a'.repeat(64),
  generator: { name: 'cohortfarm', version: '1' },
  model: { uri: 's3://models/a\\b\u0007/', digest: 'b'.repeat(64), scheduler: 'PNDM', height: 3, width: 3 },
} as Manifest;

const record = (change: Partial<SampleRecord> = {}): SampleRecord =>
  ({ axes: {}, exact: {}, cell: 'all', prompt: 'p', seed: 1, attempt: 0, ...change }) as SampleRecord;

async function dicomText(change: Partial<SampleRecord>, channels: 1 | 3 = 1): Promise<string> {
  const data = Uint8Array.from({ length: 9 * channels }, (_, i) => (channels === 1 ? 50 + i : [200, 100, 50][i % 3]!));
  const image = await encodeImage({ width: 3, height: 3, channels, data }, { format: 'png', quality: 95 });
  const sample = { key: '000000001', record: record(change), image, extension: 'png' };
  return Buffer.from(await renderDicom(sample, MANIFEST, { bodyPart: '' })).toString('latin1');
}

/** The value of an element with a short value representation, by its tag in file order. */
function elementOf(file: string, group: number, element: number, vr: string): string | null {
  const tag = Buffer.from([group & 255, group >> 8, element & 255, element >> 8]).toString('latin1');
  const at = file.indexOf(tag + vr);
  if (at < 0) return null;
  const length = file.charCodeAt(at + 6) + 256 * file.charCodeAt(at + 7);
  return file.slice(at + 8, at + 8 + length).replace(/[ \0]+$/, '');
}

test('F9: people that DICOM has no word for, and none at all', async () => {
  const sex = async (value?: string) =>
    elementOf(await dicomText(value === undefined ? {} : { axes: { sex: value } }), 0x10, 0x40, 'CS');
  assert.deepEqual(await Promise.all(['female', 'Male', 'F', 'nonbinary', undefined].map(sex)), [
    'F',
    'M',
    'F',
    'O',
    '',
  ]);
  const age = async (exact: Record<string, number>) => elementOf(await dicomText({ exact }), 0x10, 0x1010, 'AS');
  assert.deepEqual(await Promise.all([{ age: 7 }, { age: 101 }, {}].map(age)), ['007Y', '101Y', null]);
  const view = async (axis: string) => elementOf(await dicomText({ axes: { view: axis } }), 0x18, 0x5101, 'CS');
  assert.deepEqual(await Promise.all(['pa', 'LL', 'frontal'].map(view)), ['PA', 'LL', '']);
});

test('F9: no text of a spec can end a value, split it or make it too long', async () => {
  const file = await dicomText({ cell: `a\\b\u0000${'é'.repeat(100)}`, axes: { race: 'Native Hawaiian or other' } });
  assert.equal(Buffer.from(elementOf(file, 0x08, 0x103e, 'LO')!, 'latin1').toString(), `a b ${'é'.repeat(60)}`);
  assert.equal(elementOf(file, 0x10, 0x2160, 'SH'), 'Native Hawaiian');
  assert.equal(elementOf(file, 0x08, 0x1090, 'LO'), 'a b');
});

test('F9: pixels of an odd number are padded, those of a color image become its luma', async () => {
  const pixels = (file: string): number[] => [...Buffer.from(file.slice(-10), 'latin1')];
  assert.deepEqual(pixels(await dicomText({})), [50, 51, 52, 53, 54, 55, 56, 57, 58, 0]);
  assert.deepEqual(pixels(await dicomText({}, 3)), [...Array(9).fill(124), 0]);
});

test('F9: a UID follows from its parts alone, is valid, and never meets another', () => {
  const uids = Array.from({ length: 1000 }, (_, i) => uidOf('x', String(i)));
  assert.equal(new Set(uids).size, 1000);
  for (const uid of uids) assert.match(uid, /^2\.25\.[1-9]\d{0,38}$/);
  assert.equal(uidOf('x', '1'), uids[1]);
});
