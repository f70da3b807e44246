import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '../../contract/digest.ts';
import { contentOf, readShardSamples } from '../../dataset/shard/read.ts';
import { fromHalf } from '../../platform/half.ts';
import { readNpy, rowOf } from '../../platform/npy.ts';
import { runCli } from '../support/cli.ts';
import { shardDigests } from '../support/demo.ts';

/**
 * A generator that copies its training images: the embedded model, whose images of one seed are taken for the images that it
 * was trained on, and which is then asked for the same seeds again.
 */

const SAMPLES = 6;
const THRESHOLD = 0.01;

let dir: string;
/** SHA-256 of each training image. */
let training: Set<string>;

const datasetOf = (quality: string): string => `
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: films}
spec:
  seed: 11
  quota:
    samples: ${SAMPLES}
    axes: {sex: {values: [female, male]}, age: {bins: ["40-59"]}, race: {values: [WHITE]}, finding: {values: [no-finding]}}
  prompt: {impressions: {no-finding: ["No acute cardiopulmonary process ."]}}
  model: {uri: "embedded:phantom", sampling: {scheduler: UniPC, steps: 8}}
  quality: ${quality}
  output: {uri: out, image: {format: png}, shard: {samples: 4}}
  workers: {batchSize: 2}
`;

const NOVEL = `{
    encoder: {modelUri: "embedded:phantom/encoder"}, reference: {uri: reference},
    gates: [{name: copies, type: Novelty, against: Training, threshold: ${THRESHOLD}}]}`;

async function samplesOf(output: string) {
  const names = (await readdir(join(output, 'shards'))).sort();
  const shards = await Promise.all(names.map((name) => readFile(join(output, 'shards', name))));
  return shards.flatMap((shard) =>
    readShardSamples(shard).map((one) => ({ ...one, png: contentOf(shard, one.image) })),
  );
}

async function grow(name: string, quality: string, workers: number): Promise<string> {
  const file = join(dir, `${name}.yaml`);
  await writeFile(file, datasetOf(quality));
  const output = join(dir, name);
  const { code, stderr } = await runCli(['run', '-f', file, '-o', output, '--workers', String(workers)]);
  assert.equal(code, 0, stderr);
  return output;
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cohortfarm-novelty-'));
  const films = await samplesOf(await grow('films', '{}', 1));
  await mkdir(join(dir, 'images'));
  const rows = ['image,patient,split'];
  for (const [i, { key, png }] of films.entries()) {
    await writeFile(join(dir, 'images', `${key}.png`), png);
    rows.push(`images/${key}.png,p${i},training`);
  }
  await writeFile(join(dir, 'real.csv'), `${rows.join('\n')}\n`);
  training = new Set(films.map(({ png }) => sha256(png)));
  const args = [
    'features',
    join(dir, 'real.csv'),
    '-o',
    join(dir, 'reference'),
    '--encoder',
    'embedded:phantom/encoder',
  ];
  const { code, stderr } = await runCli(args);
  assert.equal(code, 0, stderr);
  await grow('novel', NOVEL, 1);
});

after(() => rm(dir, { recursive: true, force: true }));

test('every copy is refused and named, and the dataset that replaces it verifies', async () => {
  for (const { record } of await samplesOf(join(dir, 'novel'))) {
    const [copy] = record.rejected;
    assert.equal(copy?.gate, 'copies');
    assert.ok(copy.scores.copies! < 1e-4, String(copy.scores.copies));
    assert.ok(training.has(copy.nearest!.copies!));
    assert.ok(record.scores.copies! >= THRESHOLD);
  }
  for (const args of [[], ['--reference', join(dir, 'reference')]]) {
    const { code, stdout, stderr } = await runCli(['verify', join(dir, 'novel'), ...args]);
    assert.equal(code, 0, stdout + stderr);
  }
});

test('by brute force in float64, no image that was accepted is as near to a training image', async () => {
  const reference = readNpy(await readFile(join(dir, 'reference/features.npy')));
  const cosine = (a: Float32Array, b: Float32Array): number => {
    const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    return dot / (Math.hypot(...a) * Math.hypot(...b));
  };
  let images = 0;
  for (const name of await readdir(join(dir, 'novel/features'))) {
    const features = readNpy(await readFile(join(dir, 'novel/features', name)));
    for (let row = 0; row < features.rows; row++, images++)
      for (let other = 0; other < reference.rows; other++)
        assert.ok(1 - cosine(fromHalf(rowOf(features, row)), fromHalf(rowOf(reference, other))) >= THRESHOLD);
  }
  assert.equal(images, SAMPLES);
});

test('three workers write the same shards and features as one', async () => {
  const output = await grow('three', NOVEL, 3);
  assert.deepEqual(await shardDigests(output), await shardDigests(join(dir, 'novel')));
  for (const name of await readdir(join(output, 'features')))
    assert.deepEqual(await readFile(join(output, 'features', name)), await readFile(join(dir, 'novel/features', name)));
});

test('a reference of another encoder is refused before anything is sampled', async () => {
  const description = JSON.parse(await readFile(join(dir, 'reference/reference.json'), 'utf8'));
  const other = { ...description, encoder: { name: 'other', sha256: 'f'.repeat(64) } };
  await mkdir(join(dir, 'other'));
  for (const name of ['features.npy', 'rows.csv'])
    await writeFile(join(dir, 'other', name), await readFile(join(dir, 'reference', name)));
  await writeFile(join(dir, 'other/reference.json'), JSON.stringify(other));
  const file = join(dir, 'other.yaml');
  await writeFile(file, datasetOf(NOVEL.replace('{uri: reference}', '{uri: other}')));
  const { code, stderr } = await runCli(['plan', '-f', file]);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /spec\.quality\.reference\.uri: was made by the encoder other .* not by that of spec\.quality\.encoder/,
  );
});
