import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256 } from '../contract/digest.ts';
import { Failure } from '../contract/failure.ts';
import { npyBytes, npyHeader } from '../platform/npy.ts';
import { heldOutQuantile, readReference } from './reference.ts';

const ROWS = [
  'split,image,patient,nearest,sex',
  'training,a1,p1,,male',
  'heldOut,b1,p2,0.25,male',
  'heldOut,b2,p3,0.5,',
];
const FEATURES = Buffer.concat([npyHeader(3, 2), npyBytes(Uint16Array.of(1, 2, 3, 4, 5, 6))]);

async function folderOf(t: TestContext, change: { rows?: readonly string[]; training?: number } = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-reference-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const files = { 'features.npy': FEATURES, 'rows.csv': Buffer.from(`${(change.rows ?? ROWS).join('\n')}\n`) };
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
  assert.deepEqual({ ...rows[1] }, { split: 'heldOut', image: 'b1', patient: 'p2', nearest: '0.25', sex: 'male' });
  assert.deepEqual(description.images, { training: 1, heldOut: 2 });
});

test('the quantile of held-out distances lies between neighbours in order', async (t) => {
  const reference = await readReference(await folderOf(t));
  assert.equal(heldOutQuantile(reference, 0), 0.25);
  assert.equal(heldOutQuantile(reference, 0.4), 0.35);
  assert.equal(heldOutQuantile(reference, 1), 0.5);
});

test('a quantile needs images that the generator has not seen, and distances', async (t) => {
  const rows = ROWS.map((row) => row.replace('heldOut', 'training'));
  const seen = await readReference(await folderOf(t, { rows, training: 3 }));
  const undone = await readReference(await folderOf(t, { rows: ROWS.map((row) => row.replace('0.5', '?')) }));
  for (const reference of [seen, undone])
    assert.throws(() => heldOutQuantile(reference, 0.1), /needs a reference with training and held-out images/);
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
