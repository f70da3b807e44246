import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { isReady, type Rig, rigDataset, startRig, waitForReady } from '../../testbed/rig.ts';
import { missingPython } from '../support/venv.ts';
import { growSites, SHORT, trainerImage } from './trainer.ts';

/** One apply: generation, publishing, pretraining, finetuning, evaluation. Phantoms of other seeds replace real images. */

describe('a dataset with training stages', { skip: (await missingForPods()) || (await missingPython()) }, () => {
  let rig: Rig;

  before(async () => {
    rig = await startRig({ image: await trainerImage() });
    await growSites(rig, ['site-a', 'site-b']);
  });
  after(() => rig?.stop());

  test('is ready once every stage has succeeded, and its status holds their metrics', async () => {
    const dataset = (await rigDataset(rig, 'trained')) as object as { spec: Record<string, unknown> };
    dataset.spec.training = {
      architecture: 'cnn-small',
      imageSize: 32,
      stages: [
        { name: 'pretrain', type: 'Pretrain', hyperparameters: SHORT },
        { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://cohorts/site-a', hyperparameters: SHORT },
      ],
      evaluation: { sites: [{ name: 'site-b', uri: 's3://cohorts/site-b' }], bootstraps: 100 },
    };
    await rig.plane.apply(dataset);
    const status = await waitForReady(rig, 'trained', isReady, 240_000);
    assert.deepEqual(
      status.stages?.map(({ name, state, output }) => [name, state, output]),
      [
        ['pretrain', 'Succeeded', 'training/pretrain'],
        ['finetune', 'Succeeded', 'training/finetune'],
        ['evaluate', 'Succeeded', 'training/evaluate'],
      ],
    );
    for (const stage of status.stages!)
      assert.ok(Object.keys(stage.metrics ?? {}).length > 0, `${stage.name} has metrics`);
    assert.equal(status.conditions?.find(({ type }) => type === 'Trained')?.reason, 'Trained');
    const store = openStore('s3://cohorts/trained', rig.s3.options);
    for (const key of [
      'pretrain/model.onnx',
      'finetune/model.onnx',
      'finetune/metrics.json',
      'evaluate/metrics.json',
    ]) {
      assert.ok(await store.stat(`training/${key}`), `${key} is stored`);
    }
  });
});
