import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../contract/schema/evidence.ts';
import { toHalf } from '../../platform/half.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import { createGatherer, realImagesOf } from './gather.ts';
import { randomOf } from './random.ts';

const CELLS = [{ sex: 'female' }, { sex: 'male' }];
const COHORT = { planDigest: 'p', encoder: 'a'.repeat(64), cells: CELLS, gates: [] };

function matrix(key: string, rows: number): HalfMatrix {
  const random = randomOf(key);
  const bits = new Uint16Array(rows * 4);
  toHalf(
    Float32Array.from(bits, () => random() - 0.3),
    bits,
  );
  return { rows, columns: 4, bits };
}

const samples = Array.from({ length: 300 }, (_, i) => ({
  key: String(i).padStart(9, '0'),
  record: { axes: CELLS[i % 2]!, scores: {}, rejected: [] },
}));
const features = matrix('synthetic', 300);
const rows = (from: number, to: number): HalfMatrix => ({
  rows: to - from,
  columns: 4,
  bits: features.bits.subarray(from * 4, to * 4),
});

const real = realImagesOf(
  {
    description: {
      apiVersion: 'cohortfarm.dev/reference/v1',
      encoder: { name: 'e', sha256: 'a'.repeat(64) },
      dimensions: 4,
      images: { training: 70, heldOut: 80 },
      files: { 'features.npy': { bytes: 0, sha256: '' }, 'rows.csv': { bytes: 0, sha256: '' } },
    },
    features: matrix('real', 150),
    rows: Array.from({ length: 150 }, (_, i) => ({
      split: i < 70 ? 'training' : 'heldOut',
      image: i.toString(16).padStart(64, '0'),
      patient: 'p',
      nearest: '',
      sex: i % 2 ? 'male' : 'female',
    })),
  },
  'b'.repeat(64),
);

test('the evidence does not depend on how the images are spread over shards', async () => {
  const [one, many] = [createGatherer(COHORT), createGatherer(COHORT)];
  one.add(samples, features);
  for (const [from, to] of [
    [120, 300],
    [0, 7],
    [7, 120],
  ] as const)
    many.add(samples.slice(from, to), rows(from, to));
  const found = (await one.finish(real, []))!;
  assert.deepEqual(await many.finish(real, []), found);
  assert.deepEqual(
    found.groups.map(({ group, images }) => [group.sex, images]),
    [
      [undefined, 300],
      ['female', 150],
      ['male', 150],
    ],
  );
  assert.deepEqual(found.reference, { sha256: 'b'.repeat(64), training: 70, heldOut: 80 });
  assert.deepEqual(found.encoder, { sha256: COHORT.encoder, dimensions: 4 });
});

test('what needs no reference is the same without one', async () => {
  const gatherer = createGatherer(COHORT);
  gatherer.add(samples, features);
  const diversityOf = (evidence: Evidence | null) =>
    evidence!.groups.map(({ group, diversity }) => ({ group, diversity }));
  assert.deepEqual(diversityOf(await gatherer.finish(null, [])), diversityOf(await gatherer.finish(real, [])));
});

test('a cohort without images has no evidence', async () => {
  const gatherer = createGatherer(COHORT);
  gatherer.add([], { rows: 0, columns: 0, bits: new Uint16Array(0) });
  assert.equal(await gatherer.finish(null, []), null);
});

test('timers run between groups, and the figures are those of one go', async () => {
  const [one, other] = [createGatherer(COHORT), createGatherer(COHORT)];
  for (const gatherer of [one, other]) gatherer.add(samples, features);
  let [ticks, isDone] = [0, false];
  const tick = (): void => {
    ticks++;
    if (!isDone) setImmediate(tick);
  };
  setImmediate(tick);
  const found = await one.finish(real, []);
  isDone = true;
  assert.ok(ticks >= found!.groups.length, `${ticks} ticks for ${found!.groups.length} groups`);
  assert.deepEqual(await other.finish(real, []), found);
});
