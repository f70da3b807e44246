import assert from 'node:assert/strict';
import test from 'node:test';
import { fieldAt, limitsOf, resourceSchema } from './describe.ts';

const limits = (path: string): string => {
  const { schema } = fieldAt(resourceSchema(), path.split('.'));
  return limitsOf(schema!, (value) => value);
};

test('a bound that is not among the values reads otherwise than one that is', () => {
  const hyper = 'spec.training.stages.hyperparameters';
  assert.equal(limits(`${hyper}.ema`), 'more than 0, less than 1');
  assert.equal(limits(`${hyper}.layerDecay`), 'more than 0, at most 1');
  assert.equal(limits(`${hyper}.rotation`), 'at least 0, at most 180');
});
