import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jobName, ROLES, stageJobName } from './cluster.ts';

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const round = fc.integer({ min: 1, max: 9999 });

test('what Kubernetes makes of the name of a Job is a DNS label, whatever the dataset is called', () => {
  fc.assert(
    fc.property(name, name, round, (dataset, step, n) => {
      assert.match(`${jobName(dataset, step, n)}-9999-abcde`, /^[a-z0-9][-a-z0-9]{0,62}$/);
    }),
  );
});

test('what Kubeflow Trainer makes of the name of a stage is a DNS label that begins with a letter', () => {
  fc.assert(
    fc.property(name, name, round, (dataset, stage, n) => {
      assert.match(`${stageJobName(dataset, stage, n)}-node-0-9999-abcde`, /^[a-z][-a-z0-9]{0,62}$/);
    }),
  );
});

test('stages of different datasets never mean the same Job, nor the Job of another step', () => {
  const part = fc.stringMatching(/^[ab](-?[ab]){0,3}$/);
  fc.assert(
    fc.property(part, part, part, part, (a, b, c, d) => {
      if (a !== c || b !== d) assert.notEqual(stageJobName(a, b, 1), stageJobName(c, d, 1));
    }),
  );
  assert.notEqual(stageJobName('a', 'b-workers', 1), jobName('a-b', 'workers', 1));
});

test('names that are cut stay different', () => {
  const long = 'a'.repeat(63);
  const names = ['x', 'y'].flatMap((stage) => [1, 2].map((n) => stageJobName(long, stage, n)));
  assert.equal(new Set(names).size, 4);
});

test('A18: a stage that is called as a step of the operator has a Job of its own', () => {
  for (const role of ROLES) assert.notEqual(stageJobName('demo', role, 1), jobName('demo', role, 1));
});
