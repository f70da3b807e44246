import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { wilson } from '../contract/interval.ts';
import {
  describeEstimate,
  describeExhaustion,
  describeMeasurement,
  type EstimateInput,
  estimate,
  exhaustion,
  imageAcceptance,
} from './estimate.ts';

const INPUT: EstimateInput = {
  samples: 565_000,
  image: { format: 'jpeg', bitDepth: 8, height: 512, width: 512 },
  workers: 16,
  gpus: 1,
  imagesPerSecond: 0.5,
  acceptance: 0.8,
};

test('hours, bytes and money follow from what is given', () => {
  // 565,000 / 0.8 images at 0.5/s are 1,412,500 s, 392.36 h; 565,000 x (65,536 + 4,096) bytes.
  const made = estimate({ ...INPUT, price: 2.5, storagePrice: 0.023 });
  assert.equal(made.generated, 706_250);
  assert.equal(made.deviceHours.toFixed(2), '392.36');
  assert.equal(made.hours.toFixed(2), '24.52');
  assert.equal(made.bytes, 39_342_080_000);
  assert.equal(made.cost!.toFixed(2), '980.90');
  assert.equal(made.storageCostPerMonth!.toFixed(3), '0.905');
});

test('it is told in lines that say what is assumed', () => {
  const input = { ...INPUT, price: 2.5 };
  assert.equal(
    describeEstimate(input, estimate(input)),
    [
      'Estimate, if one worker generates 0.5 images a second and 80 % pass the gates:',
      '  706,250 images are generated for 565,000 accepted ones',
      '  392 GPU hours, 981 at that price',
      '  24.5 hours with 16 workers',
      '  39.3 GB stored',
    ].join('\n'),
  );
});

test('more workers take less time and no less work; a worker of two GPUs costs twice', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (workers, acceptance) => {
        const one = estimate({ ...INPUT, acceptance, workers: 1 });
        const many = estimate({ ...INPUT, acceptance, workers });
        assert.equal(many.deviceHours, one.deviceHours);
        assert.ok(Math.abs(many.hours * workers - one.hours) < 1e-6 * one.hours);
        assert.equal(estimate({ ...INPUT, acceptance, gpus: 2 }).deviceHours, 2 * one.deviceHours);
        assert.equal(estimate({ ...INPUT, acceptance, gpus: 0 }).deviceHours, one.deviceHours);
      },
    ),
  );
});

test('A6: how likely it is that a sample fails all attempts', () => {
  // Of 565,000 samples with 8 attempts each, 565,000 x 0.2^8 = 1.4464 are expected to fail; 1 - exp(-1.4464) = 0.7646.
  const made = exhaustion(565_000, 8, 0.8);
  assert.equal(made.expected.toFixed(4), '1.4464');
  assert.equal(made.probability.toFixed(4), '0.7646');
  assert.equal(
    describeExhaustion(made, { maxAttempts: 8, onExhausted: 'Fail' }),
    'If 80 % of the images pass the gates, some sample fails all 8 attempts with a probability of 76.5 % (1.45 samples ' +
      'expected); then nothing is published until onExhausted is Shortfall; maxAttempts: 12 makes that less than 1 %',
  );
  assert.equal(
    describeExhaustion(exhaustion(192, 40, 0.5), { maxAttempts: 40, onExhausted: 'Shortfall' }),
    'If 50 % of the images pass the gates, some sample fails all 40 attempts with a probability of less than 0.01 % ' +
      '(fewer than 0.01 samples expected); then the rest is published',
  );
});

test('A6: the attempts that are named suffice, and one fewer does not', () => {
  const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), share, (samples, acceptance) => {
      const { sufficientAttempts } = exhaustion(samples, 1, acceptance);
      const risk = (attempts: number) => exhaustion(samples, attempts, acceptance).probability;
      assert.ok(risk(sufficientAttempts) <= 0.01 * (1 + 1e-9), `${risk(sufficientAttempts)}`);
      if (sufficientAttempts > 1) assert.ok(risk(sufficientAttempts - 1) >= 0.01 * (1 - 1e-9));
    }),
  );
});

test('F10: the share that passes is measured with its interval', () => {
  // statsmodels.stats.proportion.proportion_confint(22, 24, method='wilson'), and of (0, 8) and (16, 16).
  const cases = [
    [22, 24, 0.741526, 0.976842],
    [0, 8, 0, 0.324416],
    [16, 16, 0.806388, 1],
  ] as const;
  for (const [part, whole, low, high] of cases) {
    const found = wilson(part, whole);
    assert.ok(Math.abs(found[0] - low) < 1e-4 && Math.abs(found[1] - high) < 1e-4, `${found}`);
  }
  const measured = { accepted: 22, attempts: 24, imagesPerSecond: 2, imageBytes: 7827, engine: 'cpu' };
  assert.equal(
    describeMeasurement(measured, 0),
    'Measured on this machine (cpu): 22 of 24 images passed the gates (91.7 %; 95 % interval 74.2 to 97.7 %), 7,827 bytes an image',
  );
  assert.match(describeMeasurement(measured, 1), /The workers have GPUs and this engine had none/);
  assert.doesNotMatch(describeMeasurement({ ...measured, engine: 'cuda' }, 1), /GPUs/);
});

test('a share that was measured of whole pairs is not raised to their power again', () => {
  const measured = { accepted: 49, attempts: 100, imagesPerSecond: 2, imageBytes: 7827, engine: 'cpu' };
  const input = { ...INPUT, samples: 1000, pairSize: 2, acceptance: imageAcceptance(measured, 2) };
  assert.equal(input.acceptance, 0.7);
  assert.equal(estimate(input).generated, 2041);
  assert.match(describeEstimate(input, estimate(input)), /70 % pass the gates, pairs only whole:/);
  assert.equal(imageAcceptance(measured, 1), 0.49);
});
