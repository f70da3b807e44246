import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpecError } from '../contract/schema/issue.ts';
import { smallDataset } from '../test/support/dataset.ts';
import { prepare } from './prepare.ts';

test('all that a spec names and is not there is told at once', async () => {
  const dataset = smallDataset((spec) => {
    spec.model.uri = 'embedded:nothing';
    spec.quality = { gates: [{ name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'gates/none' }] };
  });
  await assert.rejects(prepare(dataset, { baseDir: '/nowhere', cacheDir: '/nowhere' }), (error: SpecError) => {
    assert.ok(error instanceof SpecError);
    assert.equal(error.reason, 'ModelNotFound');
    assert.deepEqual(
      error.issues.map(({ path }) => path),
      ['spec.model.uri', 'spec.quality.gates[0].modelUri'],
    );
    assert.match(error.message, /embedded are embedded:phantom$/m);
    return true;
  });
});
