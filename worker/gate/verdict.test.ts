import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gateSchema } from '../../contract/schema/spec.ts';
import { activate, judge } from './verdict.ts';

const classifier = gateSchema.parse({ name: 'g', axis: 'sex', type: 'Classifier', modelUri: 'gate' });
const classes = ['female', 'male', 'unsure'];
const wanted = (value: string, exact?: number) => ({ value, exact });

test('a classifier passes the most probable class that is probable enough', () => {
  assert.deepEqual(judge(classifier, [0.7, 0.2, 0.1], classes, wanted('female')), { score: 0.7, passed: true });
  assert.deepEqual(judge(classifier, [0.7, 0.2, 0.1], classes, wanted('male')), { score: 0.2, passed: false });
});

test('a Novelty gate passes what is as far as its threshold, and nothing without a distance', () => {
  const novelty = gateSchema.parse({ name: 'g', type: 'Novelty', against: 'Cohort', threshold: 0.25 });
  assert.deepEqual(judge(novelty, [0.25]), { score: 0.25, passed: true });
  assert.equal(judge(novelty, [0.2]).passed, false);
  assert.equal(judge(novelty, [2]).passed, true);
  assert.equal(judge(novelty, [Number.NaN]).passed, false);
});

test('the most probable class does not pass below minProbability, nor another one above it', () => {
  assert.equal(judge(classifier, [0.45, 0.35, 0.2], classes, wanted('female')).passed, false);
  assert.equal(judge({ ...classifier, minProbability: 0.3 }, [0.45, 0.35, 0.2], classes, wanted('male')).passed, false);
});

test('a multi-label classifier asks only for the probability of the wanted class', () => {
  const verdict = judge({ ...classifier, multiLabel: true }, [0.9, 0.6, 0.1], classes, wanted('male'));
  assert.deepEqual(verdict, { score: 0.6, passed: true });
});

test('a regressor passes within its tolerance, both ends included', () => {
  const regressor = { ...classifier, type: 'Regressor', tolerance: 16 } as const;
  for (const [score, passed] of [
    [34, true],
    [66, true],
    [33.9, false],
    [66.1, false],
  ] as const) {
    assert.deepEqual(judge(regressor, [score], [], wanted('40-59', 50)), { score, passed });
  }
});

test('a graph that answers NaN passes nothing', () => {
  assert.equal(judge(classifier, [Number.NaN, 0.9, 0.1], classes, wanted('female')).passed, false);
  assert.equal(
    judge({ ...classifier, type: 'Regressor', tolerance: 16 }, [Number.NaN], [], wanted('40-59', 50)).passed,
    false,
  );
});

test('M7: a score that is not a finite number never passes, whatever the gate allows', () => {
  for (const score of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
    const multiLabel = judge({ ...classifier, multiLabel: true }, [score, 0, 0], classes, wanted('female'));
    assert.equal(multiLabel.passed, false, `classifier ${score}`);
    assert.equal(judge(classifier, [score, 0, 0], classes, wanted('female')).passed, false);
    const regressor = { ...classifier, type: 'Regressor', tolerance: Number.MAX_VALUE } as const;
    assert.equal(judge(regressor, [score], [], wanted('40-59', 50)).passed, false, `regressor ${score}`);
  }
});

test('softmax gives probabilities that add up to 1, however large the logits', () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 }),
      (logits) => {
        const sum = activate(Float32Array.from(logits), 'softmax').reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 1) < 1e-9);
      },
    ),
  );
});

test('sigmoid judges each class by itself; identity leaves numbers alone', () => {
  assert.deepEqual(activate(Float32Array.of(0, 0), 'sigmoid'), [0.5, 0.5]);
  assert.deepEqual(activate(Float32Array.of(57.5), 'identity'), [57.5]);
});
