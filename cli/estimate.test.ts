import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeEstimate, type EstimateInput, estimate } from './estimate.ts';

const INPUT: EstimateInput = {
  samples: 565_000,
  pixels: 512 * 512,
  format: 'jpeg',
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
