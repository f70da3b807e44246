import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Parent } from '../contract/plan/origin.ts';
import { evaluationOf, metricsOf } from '../test/support/evaluation.ts';
import { planOf } from '../test/support/spec.ts';
import { describeMisses, describeParent } from './describe-plan.ts';

test('a plan by deficit says what the evaluation knows of its cells', () => {
  const rates = { female: [80, 100], male: [20, 100] } as const;
  const evaluation = metricsOf(evaluationOf(['sex'], { edema: rates }));
  const allocation = { strategy: 'Deficit', evaluation: { uri: 'm.json', labels: { edema: 'edema' } } };
  assert.deepEqual(describeMisses(planOf({ 'spec.quota.allocation': allocation }, { evaluation })), [
    'Evaluation of finetune on pooled, by sex: 2 of 8 cells are missed more often than overall, beyond chance.',
    'It does not know 4 cells, which are taken as missed as often as overall.',
    'It is not read by age: cells that differ in that alone get the same.',
  ]);
  assert.deepEqual(describeMisses(planOf()), []);
});

test('a plan that extends a dataset says where its keys and seeds begin', () => {
  const spec = { seed: 7, quality: { maxAttempts: 5 } };
  const manifest = { name: 'one', plan: {}, samples: { wanted: 24 }, dataset: { spec } };
  const parent = { manifest, sha256: 'f'.repeat(64), uri: '/one/dataset.json' } as unknown as Parent;
  assert.deepEqual(describeParent(planOf({}, { parent })), [
    'Extends one and its 24 samples: keys from 000000024, seeds from attempt 120 on.',
  ]);
  assert.deepEqual(describeParent(planOf()), []);
});
