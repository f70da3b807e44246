import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { missingForNetworks, missingForPods } from '../../testbed/available.ts';
import { type Kubeflow, startKubeflow } from '../../testbed/controllers/kubeflow.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, isReason, type Rig, rigDataset, startRig, statusOf, waitForReady } from '../../testbed/rig.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { ENDLESS, growSites, podSays, SHORT, trainerImage } from './trainer.ts';

/** One dataset through its whole life, whose training stages the controllers of Kubeflow Trainer and JobSet run. */

const NAME = 'kubeflow';
/** Ours, and one that Kubeflow Trainer brings along. */
const [ours, theirs] = [{ name: 'cohortfarm' }, { name: 'torch-distributed' }];
const launched = { hyperparameters: SHORT, resources: { limits: { cpu: '2', memory: '4Gi' } } };
const pretrain = { name: 'pretrain', type: 'Pretrain', ...launched, nodes: 2, runtimeRef: ours };
const finetune = {
  ...{ name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://cohorts/site-a' },
  ...launched,
  runtimeRef: theirs,
};
const training = {
  architecture: 'cnn-small',
  imageSize: 32,
  stages: [pretrain, finetune],
  evaluation: { sites: [{ name: 'site-b', uri: 's3://cohorts/site-b' }], bootstraps: 100 },
};

interface Listed {
  readonly metadata: {
    readonly name: string;
    readonly ownerReferences: readonly { readonly kind: string; readonly controller?: boolean }[];
  };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
  };
}

const skip = (await missingForPods()) || (await missingForNetworks()) || (await missingPython());

describe('a dataset whose training stages name a runtime of Kubeflow Trainer', { skip }, () => {
  let rig: Rig;
  let kubeflow: Kubeflow;

  const change = (spec: object) =>
    rig.plane.kubectl('patch', 'sds', NAME, '--type=merge', '-p', JSON.stringify({ spec }));
  const finetuneWith = (more: object) => ({ training: { ...training, stages: [pretrain, { ...finetune, ...more }] } });
  const list = async (kind: 'trainjobs' | 'jobsets' | 'pods'): Promise<Listed[]> => {
    const found = JSON.parse(await rig.plane.kubectl('get', kind, '-o', 'json')) as { items: Listed[] };
    return found.items.filter(({ metadata }) => metadata.name.startsWith(`${NAME}-`));
  };
  const trainJob = async (name: string) => (await list('trainjobs')).find(({ metadata }) => metadata.name === name);
  const conditionOf = async (name: string, wanted: string) =>
    (await trainJob(name))?.status?.conditions?.find(({ type }) => type === wanted);
  const trained = async () => (await statusOf(rig, NAME)).conditions?.find(({ type }) => type === 'Trained');
  /** Resolves when the log of the pod that finetunes says so. */
  const finetuning = (pattern: RegExp) => podSays(rig, `${NAME}-finetune-`, pattern, 60_000);

  before(async () => {
    rig = await startRig({ image: await trainerImage() });
    await rig.plane.apply(await rigDataset(rig, NAME, ({ spec }) => Object.assign(spec, { training })));
    await growSites(rig, ['site-a', 'site-b']);
  });
  after(async () => {
    await kubeflow?.stop();
    await rig?.stop();
  });

  test('is published without Kubeflow Trainer, and then says that it is missing', async () => {
    const { conditions, manifest } = await waitForReady(rig, NAME, isReason('CreateRefused'));
    assert.ok(manifest);
    const { message } = conditions!.find(({ type }) => type === 'Trained')!;
    assert.match(message, /^TrainJob kubeflow-pretrain-1 cannot be made: .* install Kubeflow Trainer/);
  });

  test('says which runtime is missing', async () => {
    kubeflow = await startKubeflow(rig.plane, '2.0.0');
    // A change lets the operator ask again at once.
    await change({ ttlSecondsAfterFinished: 86_400 });
    const refusal = /ClusterTrainingRuntime.* not found.*; correct spec\.training/;
    await until('the refusal is told', async () => refusal.test((await trained())?.message ?? ''));
  });

  test('is ready when its TrainJobs are complete, with their metrics in its status', async () => {
    for (const file of [kubeflow.torchRuntime, join(REPO, 'examples/cluster/kubeflow-runtime.yaml')])
      await rig.plane.kubectl('apply', '-f', file);
    await change({ ttlSecondsAfterFinished: 90_000 });
    const { stages, conditions } = await waitForReady(rig, NAME, isReady, 180_000);
    assert.equal(conditions?.find(({ type }) => type === 'Trained')?.status, 'True');
    const store = openStore(`s3://cohorts/${NAME}`, rig.s3.options);
    assert.deepEqual(
      stages!.map(({ name, state, job }) => [name, state, job]),
      ['pretrain', 'finetune', 'evaluate'].map((name) => [name, 'Succeeded', `${NAME}-${name}-1`]),
    );
    for (const { name, job, metrics } of stages!) {
      assert.ok(Number.isFinite(metrics?.accuracy), `${name} has an accuracy`);
      assert.ok(await store.stat(`training/${name}/metrics.json`));
      const { metadata } = (await trainJob(job!))!;
      assert.deepEqual(
        metadata.ownerReferences.map(({ kind, controller }) => [kind, controller]),
        [['SyntheticDataset', true]],
      );
      assert.equal((await conditionOf(job!, 'Complete'))?.status, 'True');
    }
    const pods = (await list('pods')).filter(({ metadata }) => metadata.name.startsWith(`${NAME}-pretrain-1-node-0-`));
    assert.equal(pods.length, 2, 'one pod for each node');
  });

  test('says why a stage fails, also where the runtime has it started again and again', async () => {
    await change(finetuneWith({ data: 's3://cohorts/nothing' }));
    await waitForReady(rig, NAME, isReason('DataNotFound'), 120_000);
    assert.match((await trained())!.message, /^Stage finetune: .*s3:\/\/cohorts\/nothing/);
    assert.equal((await conditionOf(`${NAME}-finetune-2`, 'Failed'))?.status, undefined);
  });

  test('says why a stage failed, at once, where the runtime knows our exit codes', async () => {
    await change(finetuneWith({ data: 's3://cohorts/nowhere', runtimeRef: ours }));
    const failed = () => conditionOf(`${NAME}-finetune-3`, 'Failed');
    assert.equal((await until('the TrainJob has failed', failed, 120_000)).status, 'True');
    const says = async () => /^Stage finetune: .*s3:\/\/cohorts\/nowhere/.test((await trained())?.message ?? '');
    await until('the reason is told', says);
    assert.equal((await trained())!.reason, 'DataNotFound');
  });

  test('ends its TrainJobs when it is suspended, and resumes from their checkpoints', async () => {
    await change(finetuneWith({ hyperparameters: ENDLESS, runtimeRef: ours }));
    await finetuning(/finetune: .* to train on.*\n.*finetune: /);
    await change({ suspend: true });
    await waitForReady(rig, NAME, isReason('Suspended'));
    await until('no pod runs', async () => rig.kubelet.running().length === 0, 60_000);
    await change({ suspend: false });
    await finetuning(/finetune: resumes from the checkpoint of step [1-9]/);
  });

  test('is gone, when it is deleted, after its pods', async () => {
    const names = async () => (await list('pods')).map(({ metadata }) => metadata.name);
    const before = await names();
    await rig.plane.kubectl('delete', 'sds', NAME, '--wait=false');
    const seen = new Set<string>();
    const isGone = async () => {
      for (const name of await names()) seen.add(name);
      return !(await rig.plane.kubectl('get', 'sds', '-o', 'name')).includes(`/${NAME}\n`);
    };
    await until('the dataset is gone', isGone, 90_000);
    assert.deepEqual(
      [...seen].filter((name) => !before.includes(name)),
      [],
      'no pod is made for what is deleted',
    );
    assert.deepEqual(rig.kubelet.running(), []);
    const left = await Promise.all((['trainjobs', 'jobsets'] as const).map(list));
    assert.deepEqual(left, [[], []]);
  });
});
