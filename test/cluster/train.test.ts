import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { STAGE_FILE } from '../../contract/cluster.ts';
import { openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, NAMESPACE, type Rig, rigDataset, startRig, statusOf, waitForReady } from '../../testbed/rig.ts';
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

  test('science 2.4: arms are compared two pods at a time, one of which is killed, to the bytes of one after another', async (t) => {
    const dataset = (await rigDataset(rig, 'trained')) as object as { spec: Record<string, unknown> };
    const stages = [
      { name: 'pretrain', type: 'Pretrain', hyperparameters: SHORT },
      { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://cohorts/site-a', hyperparameters: SHORT },
    ];
    const compare = { compare: ['RealOnly', 'Mixed'], seeds: 1, compareParallelism: 2 };
    const evaluation = { sites: [{ name: 'site-b', uri: 's3://cohorts/site-b' }], bootstraps: 100 };
    dataset.spec.training = { architecture: 'cnn-small', imageSize: 32, stages, evaluation, ...compare };
    await rig.plane.apply(dataset);
    const isRun = (pod: string) => pod.includes('compare-runs');
    await until('two runs are trained', async () => rig.kubelet.running().filter(isRun).length === 2, 120_000);
    rig.kubelet.kill(rig.kubelet.running().find(isRun)!);
    const isCompared = async () =>
      (await statusOf(rig, 'trained')).stages?.some(({ name, state }) => name === 'compare' && state === 'Succeeded');
    await until('the arms are compared', async () => (await isCompared()) === true, 200_000);
    const jobs = JSON.parse(await rig.plane.kubectl('get', 'jobs', '-n', NAMESPACE, '-o', 'json')).items;
    const job = jobs.find(({ metadata }: { metadata: { name: string } }) => isRun(metadata.name));
    assert.deepEqual([job.spec.completions, job.spec.parallelism, job.status.succeeded], [3, 2, 3]);
    assert.ok(job.status.failed >= 1);
    // The same config, one run after another.
    const maps = JSON.parse(await rig.plane.kubectl('get', 'configmaps', '-n', NAMESPACE, '-o', 'json')).items;
    const configs = maps.flatMap(({ data }: { data?: Record<string, string> }) =>
      data?.[STAGE_FILE] ? [JSON.parse(data[STAGE_FILE])] : [],
    );
    const { runs: _, ...alone } = configs.find(({ name }: { name: string }) => name === 'compare').compare;
    const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-compare-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const config = {
      ...configs.find(({ name }: { name: string }) => name === 'compare'),
      compare: alone,
      output: folder,
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const env = { ...process.env, ...rig.s3.env, PYTHONPATH: TRAINER, OMP_NUM_THREADS: '1' };
    const args = ['-m', 'cohortfarm_trainer', 'compare', '--config', join(folder, 'config.json')];
    await promisify(execFile)(await virtualPython(TRAINER_ENVIRONMENT), args, { env });
    const store = openStore('s3://cohorts/trained', rig.s3.options);
    const isStored = async (key: string, path: string) =>
      assert.ok((await readFile(path)).equals((await store.get(key)) ?? Buffer.alloc(0)), key);
    for (const file of ['metrics.json', 'report.html']) await isStored(`training/compare/${file}`, join(folder, file));
    const made = (await readdir(join(folder, 'runs'), { recursive: true })).filter((path) => path.includes('.'));
    assert.equal(made.filter((path) => path.endsWith('/model.pt')).length, 4);
    // A checkpoint, how long a run took and the time of day in event files are not results.
    for (const path of made.filter((path) => !/(checkpoint\.pt|done\.json)$|\/events\//.test(path)))
      await isStored(`training/compare-runs/runs/${path}`, join(folder, 'runs', path));
  });
});
