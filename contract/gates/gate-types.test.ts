import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GATE_TYPE_NAMES } from '../schema/gate.ts';
import { gateSchema } from '../schema/spec.ts';
import { GATE_TYPES, isRecordedWithin, isWithin, passInterval, roundScore } from './gate-types.ts';

const gateOf = (fields: object) => gateSchema.parse({ name: 'g', axis: 'a', modelUri: 'gate', ...fields });
const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });

test('the intervals are those that the types describe', () => {
  const classifier = gateOf({ type: 'Classifier', minProbability: 0.8 });
  assert.deepEqual(passInterval(classifier, {}), { low: 0.8, high: 1 });
  assert.equal(GATE_TYPES.Classifier.describe(classifier), 'wanted class the most probable and at least 0.8 probable');
  const regressor = gateOf({ type: 'Regressor', tolerance: 16 });
  assert.deepEqual(passInterval(regressor, { a: 50 }), { low: 34, high: 66 });
  assert.equal(GATE_TYPES.Regressor.describe(regressor), 'within 16 of the wanted number');
  const novelty = gateSchema.parse({ name: 'g', type: 'Novelty', against: 'Cohort', threshold: 0.05 });
  assert.deepEqual(passInterval(novelty, {}), { low: 0.05, high: 2 });
  assert.equal(
    GATE_TYPES.Novelty.describe(novelty),
    'cosine distance at least 0.05 from each earlier image of its shard',
  );
  const calibrated = { ...novelty, against: 'Training' as const, quantile: 0.01 };
  assert.equal(
    GATE_TYPES.Novelty.describe(calibrated),
    'cosine distance at least 0.05 from each training image, the 0.01 quantile of the distances of held-out from training images',
  );
});

test('a meter shows every interval whole', () => {
  for (const type of GATE_TYPE_NAMES) {
    const gate = gateOf({ type, minProbability: 0.8, tolerance: 16 });
    const interval = passInterval(gate, { a: 50 });
    const scale = GATE_TYPES[type].scale(interval);
    assert.ok(scale.low <= interval.low && interval.high <= scale.high, type);
  }
});

test('scores are kept to six digits, and one that is not a number as null', () => {
  assert.equal(roundScore(0.123456789), 0.123457);
  assert.equal(roundScore(57.123456789), 57.1235);
  assert.equal(roundScore(Number.NaN), null);
});

test('a score that passes passes as recorded, too, however near to an end of the interval', () => {
  const property = fc.property(number, fc.double({ min: 0, max: 1e3, noNaN: true }), fc.nat(4), (low, width, at) => {
    const interval = { low, high: low + width };
    const score = low + (width * at) / 4;
    fc.pre(isWithin(interval, score));
    assert.ok(isRecordedWithin(interval, roundScore(score)!), `${score} in ${JSON.stringify(interval)}`);
  });
  fc.assert(property, { numRuns: 2000 });
});

test('a recorded score that differs from the end of the interval by more than its rounding does not pass', () => {
  assert.ok(isRecordedWithin({ low: 34, high: 66 }, 66));
  assert.ok(!isRecordedWithin({ low: 34, high: 66 }, 66.0001));
  assert.ok(!isRecordedWithin({ low: 34, high: 66 }, 33.9999));
  assert.ok(!isRecordedWithin({ low: 0.5, high: 1 }, 0.499999));
  assert.ok(!isRecordedWithin({ low: 0, high: 1 }, Number.NaN));
});
