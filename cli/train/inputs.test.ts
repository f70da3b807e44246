import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { SpecError } from '../../contract/schema/issue.ts';
import { trainingSchema } from '../../contract/schema/training.ts';
import { checkInputs } from './inputs.ts';

test('everything that a training would not find is named before it begins', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-inputs-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, 'site-a'));
  await writeFile(join(dir, 'site-a', 'metadata.csv'), 'file_name\n');
  await writeFile(join(dir, 'weights.pt'), 'x');
  const training = (weights: string, data: string, uris: readonly string[]) =>
    trainingSchema.parse({
      weights,
      stages: [
        { name: 'pretrain', type: 'Pretrain' },
        { name: 'finetune', type: 'Finetune', from: 'pretrain', data, source: { tables: [{ uri: 'people.csv' }] } },
      ],
      synthetic: [{ name: 'own' }, ...uris.map((uri, i) => ({ name: `cohort-${i}`, uri }))],
      evaluation: { sites: uris.map((uri, i) => ({ name: `site-${i}`, uri })) },
    });
  await writeFile(join(dir, 'people.csv'), 'patient_id\n');
  const context = { resolve: (uri: string) => resolve(dir, uri), s3: undefined };
  for (const weights of ['weights.pt', 'timm://resnet18.a1_in1k'])
    await checkInputs(training(weights, 'site-a/', ['site-a']), context);
  await rm(join(dir, 'people.csv'));
  const wrong = checkInputs(training('nothing.pt', 'nodata', ['site-a', 'site-b']), context);
  await assert.rejects(wrong, (error: SpecError) => {
    assert.ok(error instanceof SpecError);
    assert.deepEqual(error.message.split('\n'), [
      `spec.training.weights: there is nothing at ${dir}/nothing.pt; correct the URI`,
      `spec.training.stages[1].data: there is nothing at ${dir}/nodata; correct the URI`,
      `spec.training.stages[1].source.tables[0].uri: there is nothing at ${dir}/people.csv; correct the URI`,
      `spec.training.synthetic[2].uri: there is nothing at ${dir}/site-b; correct the URI`,
      `spec.training.evaluation.sites[1].uri: there is nothing at ${dir}/site-b; correct the URI`,
    ]);
    return true;
  });
});
