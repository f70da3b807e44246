import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../contract/digest.ts';
import { Failure } from '../contract/failure.ts';
import { npyHeader } from '../platform/npy.ts';
import { uint16Bytes } from '../platform/uint16.ts';
import { heldOutQuantile, readReference } from './reference.ts';

const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
const ROWS = [
  'split,image,patient,nearest,sex',
  `training,${A},p1,,male`,
  `heldOut,${B},p2,0.25,male`,
  `heldOut,${C},p3,0.5,`,
];
const FEATURES = Uint16Array.of(1, 2, 3, 4, 5, 6);

async function folderOf(
  t: TestContext,
  change: { rows?: readonly string[]; training?: number; features?: Uint16Array } = {},
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-reference-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const npy = Buffer.concat([npyHeader(3, 2), uint16Bytes(change.features ?? FEATURES)]);
  const files = { 'features.npy': npy, 'rows.csv': Buffer.from(`${(change.rows ?? ROWS).join('\n')}\n`) };
  const training = change.training ?? 1;
  const description = {
    apiVersion: 'cohortfarm.dev/reference/v1',
    encoder: { name: 'e', sha256: 'a'.repeat(64) },
    dimensions: 2,
    images: { training, heldOut: 3 - training },
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }]),
    ),
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, name), bytes);
  await writeFile(join(dir, 'reference.json'), JSON.stringify(description));
  return dir;
}

test('a reference is read with its rows', async (t) => {
  const { features, rows, description } = await readReference(await folderOf(t));
  assert.deepEqual(features, { rows: 3, columns: 2, bits: Uint16Array.of(1, 2, 3, 4, 5, 6) });
  assert.deepEqual({ ...rows[1] }, { split: 'heldOut', image: B, patient: 'p2', nearest: '0.25', sex: 'male' });
  assert.deepEqual(description.images, { training: 1, heldOut: 2 });
});

test('the quantile of held-out distances lies between neighbours in order', async (t) => {
  const reference = await readReference(await folderOf(t));
  assert.equal(heldOutQuantile(reference, 0), 0.25);
  assert.equal(heldOutQuantile(reference, 0.4), 0.35);
  assert.equal(heldOutQuantile(reference, 1), 0.5);
});

test('a quantile needs images that the generator has not seen, and refuses something', async (t) => {
  const seen = await readReference(
    await folderOf(t, { rows: ROWS.map((row) => row.replace('heldOut', 'training')), training: 3 }),
  );
  assert.throws(() => heldOutQuantile(seen, 0.1), /needs a reference with training and held-out images/);
  const copied = await readReference(await folderOf(t, { rows: ROWS.map((row) => row.replace(',0.25,', ',0,')) }));
  assert.throws(() => heldOutQuantile(copied, 0), /is 0, which refuses nothing: some held-out images are copies/);
});

test('rows and numbers that mean nothing are refused', async (t) => {
  for (const [from, to] of [
    [',0.5,', ',?,'],
    [',0.5,', ',,'],
    [C!, 'c.png'],
  ] as const)
    await assert.rejects(
      readReference(await folderOf(t, { rows: ROWS.map((row) => row.replace(from, to)) })),
      /rows\.csv row 3 must have the SHA-256 of its image/,
    );
  await assert.rejects(
    readReference(await folderOf(t, { features: Uint16Array.of(1, 2, 3, 0x7e00, 5, 6) })),
    /features\.npy holds numbers that are not finite/,
  );
});

test('a file that is not what was written is refused by its name', async (t) => {
  const changed = await folderOf(t);
  await appendFile(join(changed, 'rows.csv'), 'heldOut,x,y,1,male\n');
  const cases = [
    [changed, /rows\.csv has SHA-256 \w+, reference\.json says \w+; make the reference again/],
    [await folderOf(t, { rows: ROWS.slice(0, 3) }), /rows\.csv must have a row for each of the 1 training images/],
    [await folderOf(t, { training: 2 }), /row 2 of 3 does not fit/],
    [join(changed, 'absent'), /reference\.json cannot be read/],
  ] as const;
  for (const [dir, message] of cases)
    await assert.rejects(readReference(dir), (error) => {
      assert.ok(error instanceof Failure && error.reason === 'DatasetDamaged');
      assert.match(error.message, message);
      return true;
    });
});
