import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { TRAINER_ENVIRONMENT } from '../../cli/train/trainer.ts';
import { virtualPython } from '../../cli/train/venv.ts';
import { openStore } from '../../platform/store/store.ts';
import { missingPython } from '../support/venv.ts';
import { missingForPods } from './available.ts';
import { isReady, type Rig, rigDataset, startRig, waitForReady } from './rig.ts';

/** One apply: generation, publishing, pretraining, finetuning, evaluation. Phantoms of other seeds stand in for real images. */

const run = promisify(execFile);

describe('a dataset with training stages', { skip: (await missingForPods()) || (await missingPython()) }, () => {
  let rig: Rig;

  before(async () => {
    const python = await virtualPython(TRAINER_ENVIRONMENT);
    const { stdout } = await run(python, ['-c', 'import sys; print(sys.base_prefix)']);
    const folders = [dirname(dirname(python)), stdout.trim()].filter((path) => !path.startsWith('/usr'));
    rig = await startRig({
      image: {
        files: Object.fromEntries(folders.map((path) => [path, path])),
        // What the trainer's image starts.
        entrypoint: [python, '-m', 'torch.distributed.run', '-m', 'cohortfarm_trainer'],
      },
    });
    for (const [i, site] of ['site-a', 'site-b'].entries()) {
      const dataset = await rigDataset(rig, site, ({ spec }) => {
        spec.seed = 100 + i;
        spec.quota.samples = 32;
        spec.workers.replicas = 1;
      });
      await rig.plane.apply(dataset);
    }
    for (const site of ['site-a', 'site-b']) await waitForReady(rig, site, isReady, 180_000);
  });
  after(() => rig?.stop());

  test('is ready once every stage has succeeded, and its status holds their metrics', async () => {
    const env = [
      { name: 'PYTHONPATH', value: '/app/trainer' },
      { name: 'OMP_NUM_THREADS', value: '1' },
    ];
    const hyperparameters = { steps: 12, validateSteps: 6, loaderWorkers: 0, learningRate: 0.001 };
    const dataset = (await rigDataset(rig, 'trained')) as object as { spec: Record<string, unknown> };
    dataset.spec.training = {
      architecture: 'cnn-small',
      imageSize: 32,
      stages: [
        { name: 'pretrain', type: 'Pretrain', hyperparameters, env },
        { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://cohorts/site-a', hyperparameters, env },
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
