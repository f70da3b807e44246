import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BASE, documentWith, INPUTS, linesOf, planOf } from '../../test/support/spec.ts';
import { parseDataset } from '../validate/parse.ts';
import { makePlan, type Plan, type Sample, samplesBetween, seedOf, shardRange } from './plan.ts';

const all = (plan: Plan): Sample[] => samplesBetween(plan, 0, plan.samples);
const count = (values: Iterable<unknown>): Map<unknown, number> => {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
};
const even = (counts: Iterable<number>): boolean => Math.max(...counts) - Math.min(...counts) <= 1;

test('by hand: the first samples of the small plan', () => {
  // Two samples in each of 8 cells. The 22 years of the first bin are visited in strides of 15, and each cell continues
  // where the one before it stopped: at turn 0, 2, 4 and 6. So do the phrases.
  assert.deepEqual(
    samplesBetween(planOf(), 0, 5).map(({ key, axes, exact, prompt }) => [key, axes.age, exact.age, prompt]),
    [
      ['000000000', '18-39', 18, '18 year old female. Edema .'],
      ['000000001', '18-39', 26, '26 year old male. Severe edema .'],
      ['000000002', '18-39', 34, '34 year old female. Normal .'],
      ['000000003', '18-39', 20, '20 year old male. Normal .'],
      ['000000004', '40-90', 40, '40 year old female. Mild edema .'],
    ],
  );
});

test('a prompt gets the exact year of an axis of numbers, and the value of any other', () => {
  const plan = planOf({ 'spec.prompt.template': '{age}|{sex}|{finding}|{impression}' });
  for (const { prompt, axes, exact } of all(plan)) {
    const [age, sex, finding, impression] = prompt.split('|');
    assert.equal(age, String(exact.age));
    assert.deepEqual([sex, finding], [axes.sex, axes.finding]);
    assert.ok(plan.impressions[axes.finding!]!.includes(impression!));
    const [low, high] = axes.age!.split('-').map(Number);
    assert.ok(exact.age! >= low! && exact.age! <= high!);
  }
});

test('a template without {impression} needs no phrases, one without axes needs no axis', () => {
  const plan = planOf({ 'spec.prompt': { template: 'A chest X-ray.' } });
  assert.deepEqual(plan.impressions, {});
  assert.deepEqual(new Set(all(plan).map(({ prompt }) => prompt)), new Set(['A chest X-ray.']));
});

const GROWN = { 'spec.quota.samples': 900, 'spec.quota.axes.age': { bins: ['18-39', '40-51', '60-60'] } };

test('ages cycle evenly: in each cell, and over all cells of a bin', () => {
  const samples = all(planOf(GROWN));
  for (const bin of ['18-39', '40-51', '60-60']) {
    const inBin = samples.filter(({ axes }) => axes.age === bin);
    const [low, high] = bin.split('-').map(Number);
    const groups = [inBin, ...Map.groupBy(inBin, ({ cell }) => cell).values()];
    for (const group of groups) {
      const ages = count(group.map(({ exact }) => exact.age));
      assert.ok(even(ages.values()));
      assert.equal(ages.size, high! - low! + 1);
    }
  }
});

test('phrases cycle evenly: in each cell, and over all cells of a finding', () => {
  const phrases = { 'no-finding': Array.from({ length: 100 }, (_, i) => `Normal ${i} .`), edema: ['A', 'B', 'C'] };
  const samples = all(planOf({ ...GROWN, 'spec.prompt.impressions': phrases, 'spec.prompt.template': '{impression}' }));
  for (const [finding, list] of Object.entries(phrases)) {
    const ofFinding = samples.filter(({ axes }) => axes.finding === finding);
    const used = count(ofFinding.map(({ prompt }) => prompt));
    // No cell has 100 samples, but all cells together use every phrase.
    assert.equal(used.size, list.length);
    assert.ok(even(used.values()));
    for (const cell of Map.groupBy(ofFinding, (sample) => sample.cell).values()) {
      const counts = list.map((phrase) => cell.filter(({ prompt }) => prompt === phrase).length);
      assert.ok(even(counts));
    }
  }
});

test('every age of a cell meets every phrase', () => {
  const plan = planOf({
    'spec.quota': { samples: 66, axes: { age: { bins: ['18-39'] }, finding: { values: ['edema'] } } },
    'spec.prompt.template': '{age} {impression}',
    'spec.prompt.impressions': { edema: ['A', 'B', 'C'] },
  });
  assert.equal(new Set(all(plan).map(({ prompt }) => prompt)).size, 66);
});

test('a small cell has people from all parts of its bin', () => {
  const ages = all(
    planOf({ 'spec.quota': { samples: 6, axes: { age: { bins: ['20-79'] } } }, 'spec.prompt': { template: '{age}' } }),
  )
    .map(({ exact }) => exact.age!)
    .sort((a, b) => a - b);
  const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length;
  assert.ok(ages[0]! < 35 && ages.at(-1)! > 65 && Math.abs(mean - 49.5) < 10, ages.join());
});

test('shards follow each other and hold every sample once, however they are cut', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 60 }), (samples, size) => {
      const plan = planOf({ 'spec.quota.samples': samples, 'spec.output.shard.samples': size });
      const shards = Array.from({ length: plan.shards }, (_, shard) => shardRange(plan, shard));
      assert.deepEqual(
        shards.flatMap(({ start, end }) => samplesBetween(plan, start, end)),
        all(plan),
      );
      assert.deepEqual(
        all(plan).map(({ index }) => index),
        Array.from({ length: samples }, (_, i) => i),
      );
      assert.throws(() => shardRange(plan, plan.shards), RangeError);
    }),
    { numRuns: 30 },
  );
});

test('the counts of the samples are the quotas', () => {
  const plan = planOf({ 'spec.quota.samples': 101, 'spec.quota.exclude': [{ sex: 'male', finding: 'edema' }] });
  const counts = count(all(plan).map(({ cell }) => cell));
  const counted = plan.allocation.quotas.map((_, cell) => counts.get(cell) ?? 0);
  assert.deepEqual(counted, plan.allocation.quotas);
});

test('no two attempts of a dataset share a seed', () => {
  const plan = planOf({ 'spec.quota.samples': 2000 });
  const seeds = all(plan).flatMap(({ index }) =>
    Array.from({ length: 8 }, (_, attempt) => seedOf(plan, index, attempt)),
  );
  assert.equal(new Set(seeds).size, 16_000);
  assert.throws(() => seedOf(plan, 0, 8), RangeError);
});

test('the rows of impressionsFrom are used, and missing findings named', () => {
  const changes = { 'spec.prompt.impressions': undefined, 'spec.prompt.impressionsFrom': { uri: 'p.csv' } };
  const plan = planOf(changes, { impressions: { edema: ['E'], 'no-finding': ['N'], unused: ['U'] } });
  assert.deepEqual(plan.impressions, { edema: ['E'], 'no-finding': ['N'] });
  assert.deepEqual(
    linesOf(() => planOf(changes, { impressions: { edema: ['E'] } })),
    [
      'spec.prompt.impressionsFrom: has no phrase for no-finding; add a row with the finding and an impression for each',
    ],
  );
  const odd = { ...changes, 'spec.quota.axes.finding': { values: ['constructor'] } };
  assert.equal(linesOf(() => planOf(odd, { impressions: {} })).length, 1);
});

test('what only a table shows to be too many is refused, too', () => {
  const columns = { sex: { name: 's' }, age: { name: 'a' }, finding: { name: 'f' } };
  const changes = {
    'spec.quota.samples': undefined,
    'spec.quota.allocation': { strategy: 'Table', table: { uri: 't.csv', columns } },
    'spec.quality': { maxAttempts: 10_000 },
  };
  const rows = {
    *[Symbol.iterator]() {
      for (let i = 0; i < 429_497; i++) yield { s: 'female', a: '50', f: 'edema' };
    },
  };
  assert.deepEqual(
    linesOf(() => planOf(changes, { table: rows })),
    [
      'spec.quality.maxAttempts: 10000 attempts for each of 429497 samples need 4294970000 seeds, but there are only 4294967296 (32 bits); lower it to 9999',
    ],
  );
});

test('one digest per gate is asked for', () => {
  assert.throws(() => makePlan(parseDataset(documentWith({}, BASE)), { ...INPUTS, gateDigests: ['x'] }), TypeError);
});

test('565,000 samples over 2,000 cells are planned, and a shard of 100 million is found', () => {
  const names = (prefix: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${prefix}${i}`);
  const bins = Array.from({ length: 10 }, (_, i) => `${i * 9}-${i * 9 + 8}`);
  const changes = (samples: number) => ({
    'spec.quota': {
      samples,
      axes: {
        sex: { values: names('s', 2) },
        age: { bins },
        race: { values: names('r', 10) },
        finding: { values: names('f', 10) },
      },
    },
    'spec.prompt': { template: '{age} {sex} {race} {finding}' },
    'spec.output.shard.samples': 1000,
  });
  for (const samples of [565_000, 100_000_000]) {
    const plan = planOf(changes(samples));
    assert.equal(plan.allocation.grid.cells.length, 2000);
    const { start, end } = shardRange(plan, Math.floor(plan.shards / 2));
    const shard = samplesBetween(plan, start, end);
    assert.equal(shard.length, 1000);
    // Equal quotas: one image at most of each cell in 1,000 of 2,000.
    assert.ok(Math.max(...count(shard.map(({ cell }) => cell)).values()) <= 1);
    // Nothing in the plan grows with the number of samples.
    assert.ok(JSON.stringify(plan).length < 1_000_000);
  }
});

test('H3: shards that no worker can hold are refused by an estimate, before anything is sampled', () => {
  const planWith = (samples: number, images: number, format: 'jpeg' | 'png', side: number) => () => {
    const changes = {
      'spec.quota.samples': images,
      'spec.output.shard.samples': samples,
      'spec.output.image.format': format,
      'spec.model.sampling.height': side,
      'spec.model.sampling.width': side,
    };
    return makePlan(parseDataset(documentWith(changes)), INPUTS);
  };
  assert.match(
    linesOf(planWith(100_000, 200_000, 'jpeg', 512)).join(),
    /^spec\.output\.shard\.samples.* 100000 images of 512x512 jpeg make shards of about 6\.96 GB; the most is 2\.15 GB, .* at most 30840$/,
  );
  assert.equal(linesOf(planWith(30_841, 200_000, 'jpeg', 512)).length, 1);
  assert.equal(planWith(30_840, 200_000, 'jpeg', 512)().shards, 7);
  assert.match(linesOf(planWith(20_000, 200_000, 'png', 512)).join(), /at most 11447$/);
  // A shard has no more samples than the dataset.
  assert.equal(planWith(100_000, 10_000, 'jpeg', 512)().shards, 1);
  assert.equal(planWith(100_000, 200_000, 'jpeg', 64)().shards, 2);
});
