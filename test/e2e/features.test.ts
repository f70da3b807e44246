import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { randomOf } from '../../dataset/evidence/random.ts';
import { readReference } from '../../dataset/reference.ts';
import { fromHalf } from '../../platform/half.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { runCli } from '../support/cli.ts';

const SIZE = 128;

/** Soft blobs: pictures that differ in their features. */
async function picture(key: string): Promise<Uint8Array> {
  const random = randomOf(key);
  const blobs = Array.from(
    { length: 5 },
    () => [random() * SIZE, random() * SIZE, 8 + 25 * random(), random()] as const,
  );
  const data = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => {
    const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
    const light = blobs.map(([cx, cy, r, level]) => level * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / r ** 2));
    return Math.min(255, 60 + 180 * light.reduce((sum, value) => sum + value, 0));
  });
  return encodeImage({ width: SIZE, height: SIZE, channels: 1, data }, { format: 'png', quality: 95 });
}

describe('cohortfarm features', () => {
  let dir: string;
  const run = (...args: string[]) =>
    runCli(['features', join(dir, 'real.csv'), '--encoder', 'embedded:phantom/encoder', ...args]);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-features-'));
    await mkdir(join(dir, 'images'));
    const rows = ['file,patient,split,sex'];
    for (let i = 0; i < 40; i++) {
      await writeFile(join(dir, 'images', `${i}.png`), await picture(String(i % 39)));
      rows.push(`images/${i}.png,p${i},${i < 30 ? 'train' : 'test'},${i % 2 ? 'F' : 'M'}`);
    }
    await writeFile(join(dir, 'real.csv'), `${rows.join('\n')}\n`);
    await writeFile(join(dir, 'columns.yaml'), 'sex: {name: sex, values: {F: female, M: male}}\n');
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test('writes a reference that is read again, and again over itself', async () => {
    const output = join(dir, 'reference');
    const args = ['--columns', join(dir, 'columns.yaml'), '--salt', 'pepper', '-o', output];
    for (let time = 0; time < 2; time++) {
      const { code, stdout, stderr } = await run(...args);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^Encoded: 30 training and 10 held-out images, 64 numbers each; groups: sex; /);
    }
    const { features, rows, description } = await readReference(output);
    assert.deepEqual([features.rows, features.columns, description.encoder.name], [40, 64, 'phantom-encoder']);
    const [first] = rows;
    assert.equal(first!.image, sha256(await readFile(join(dir, 'images', '0.png'))));
    assert.equal(first!.patient, sha256('pepper\np0'));
    assert.equal(first!.sex, 'male');
    const vectors = Array.from({ length: 40 }, (_, i) => fromHalf(features.bits.slice(i * 64, (i + 1) * 64)));
    const cosine = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, value, k) => sum + value * b[k]!, 0) / (Math.hypot(...a) * Math.hypot(...b));
    for (let i = 30; i < 40; i++) {
      const distances = vectors.slice(0, 30).map((training) => 1 - cosine(vectors[i]!, training));
      assert.ok(Math.abs(Number(rows[i]!.nearest) - Math.min(...distances)) < 1e-5, rows[i]!.nearest);
    }
    // The last image is the first one again, in the other part.
    assert.ok(Number(rows[39]!.nearest) < 1e-6, rows[39]!.nearest);
  });

  test('another reference is not overwritten', async () => {
    const { code, stderr } = await run('-o', join(dir, 'reference'));
    assert.notEqual(code, 0);
    assert.match(stderr, /holds another reference; name another place, or remove that one/);
  });

  test('what cannot be read is named', async () => {
    await writeFile(join(dir, 'broken.csv'), 'image,split\nimages/none.png,train\n');
    await writeFile(join(dir, 'text.csv'), 'image,split\nreal.csv,train\n');
    await writeFile(join(dir, 'outside.csv'), 'image,split\n../x.png,train\n');
    const of = async (file: string) => {
      const args = ['features', join(dir, file), '--encoder', 'embedded:phantom/encoder', '-o', join(dir, 'none')];
      const { code, stderr } = await runCli(args);
      assert.equal(code, 2, stderr);
      return stderr;
    };
    assert.match(await of('broken.csv'), /images\/none.png does not exist; correct the path in the CSV/);
    assert.match(await of('text.csv'), /real.csv cannot be read as an image/);
    assert.match(await of('outside.csv'), /outside.csv row 1: "\.\.\/x\.png" is not below the folder of the CSV/);
    assert.match(await of('absent'), /does not exist; give a CSV file, or a folder of images/);
  });
});
