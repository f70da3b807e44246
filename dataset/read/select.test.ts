import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Sample, samplesBetween } from '../../contract/plan/plan.ts';
import type { Outline } from '../../contract/schema/manifest.ts';
import { readersDataset } from '../../test/readers/fixture.ts';
import { planOf } from '../../test/support/dataset.ts';
import { outlineOf } from '../publish/manifest.ts';
import { cellOfSample, cellsWhere, selectSamples } from './select.ts';

const plan = planOf(readersDataset('jpeg'));
const wanted = outlineOf(plan);
const all = samplesBetween(plan, 0, plan.samples);

test('the samples of a selection are those that the plan has there, page by page', () => checkPages(wanted, all));

test('the same with pairs, whose samples follow one another', () => {
  for (const axis of ['sex', 'age', 'finding']) {
    const dataset = readersDataset('jpeg');
    const { quota, output } = dataset.spec;
    const size = (quota.axes[axis]!.values ?? quota.axes[axis]!.bins)!.length;
    const paired = planOf({
      ...dataset,
      spec: {
        ...dataset.spec,
        quota: { ...quota, samples: 24 * size, exclude: [], pairs: { axis } },
        output: { ...output, shard: { samples: 10 * size } },
      },
    });
    const samples = samplesBetween(paired, 0, paired.samples);
    checkPages(outlineOf(paired), samples);
    assert.deepEqual(
      samples.map(({ index }) => cellOfSample(outlineOf(paired), index)),
      samples.map(({ cell }) => cell),
    );
  }
});

function checkPages(wanted: Outline, all: readonly Sample[]): void {
  for (const where of [{}, { sex: 'female' }, { sex: 'male', finding: 'edema' }, { race: 'ASIAN', age: '60-79' }]) {
    const expected = all.filter(({ axes }) => Object.entries(where).every(([axis, value]) => axes[axis] === value));
    const cells = cellsWhere(wanted, where);
    const found = [];
    for (let start = 0; start === 0 || start < expected.length; start += 7) {
      const { total, samples } = selectSamples(wanted, cells, { start, end: start + 7 });
      assert.equal(total, expected.length);
      found.push(...samples);
    }
    assert.deepEqual(
      found,
      expected.map(({ index, cell }) => ({ index, cell })),
    );
  }
}

test('a selection that keeps nothing has no samples, and a page beyond the end is empty', () => {
  assert.deepEqual(cellsWhere(wanted, { sex: 'other' }), []);
  assert.deepEqual(cellsWhere(wanted, { toString: 'x' }), []);
  assert.deepEqual(selectSamples(wanted, [], { start: 0, end: 48 }), { total: 0, samples: [] });
  assert.deepEqual(selectSamples(wanted, cellsWhere(wanted, {}), { start: 9_000, end: 9_048 }).samples, []);
});

test('a sample knows its cell, and what is no sample has none', () => {
  assert.deepEqual(
    all.map(({ index }) => cellOfSample(wanted, index)),
    all.map(({ cell }) => cell),
  );
  for (const index of [-1, all.length, 1.5, Number.NaN]) assert.equal(cellOfSample(wanted, index), null);
});
