import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIGEST, jobOf, NOW, observed, progressOf } from '../../test/support/observed.ts';
import type { Observed } from '../observed.ts';
import { currentStep, STEPS } from './steps.ts';

const manifest = { uri: 's3://c/dataset.json', sha256: DIGEST };
const published = {
  type: 'Published' as const,
  status: 'True' as const,
  observedGeneration: 1,
  lastTransitionTime: '',
  reason: 'Published',
  message: '',
};

/** Observations from the first to the last step, and the step that each is at. */
const LIVES: readonly (readonly [string, Observed, string | null])[] = [
  ['a new dataset', observed(), 'Accepted'],
  ['one whose plan was announced', observed({ progress: progressOf({ planned: true }).summary(NOW) }), 'Generated'],
  ['one whose plan is in the status only', observed({ status: { planDigest: DIGEST } }), 'Generated'],
  [
    'one whose shards are all committed',
    observed({ progress: progressOf({ planned: true, committed: 3 }).summary(NOW) }),
    'Published',
  ],
  ['one with a publish Job, whose progress is lost', observed({ jobs: [jobOf('publish')] }), 'Published'],
  [
    'one that is published, of which nothing else is left',
    observed({ status: { manifest, conditions: [published] } }),
    null,
  ],
];

for (const [name, given, step] of LIVES) {
  test(`${name} is at ${step ?? 'its end'}, and no earlier step is open`, () => {
    assert.equal(currentStep(given)?.condition ?? null, step);
    const done = STEPS.map(({ isDone }) => isDone(given));
    assert.deepEqual(
      done,
      [...done].sort((a, b) => Number(b) - Number(a)),
    );
  });
}
