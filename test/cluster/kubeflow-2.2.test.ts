import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missingForNetworks, missingForPods } from '../../testbed/available.ts';
import { type Kubeflow, startKubeflow } from '../../testbed/controllers/kubeflow.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, isReason, type Rig, rigDataset, startRig, waitForReady } from '../../testbed/rig.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { ENDLESS, podSays, SHORT, trainerImage } from './trainer.ts';

/** The controller of Kubeflow Trainer 2.2, which knows TrainJobs in other words than 2.0 does (kubeflow.test.ts). */

const NAME = 'newer';
const launched = { type: 'Pretrain', hyperparameters: SHORT, resources: { limits: { cpu: '2', memory: '4Gi' } } };
/** By our runtime on two nodes, and by one that it brings along. */
const first = { name: 'first', ...launched, nodes: 2, runtimeRef: { name: 'cohortfarm' } };
const second = { name: 'second', ...launched, runtimeRef: { name: 'torch-distributed' } };
const training = { architecture: 'cnn-small', imageSize: 32, stages: [first, second] };

interface TrainJob {
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

interface Reported {
  readonly status: { readonly stages: readonly { readonly name: string; readonly progress?: object }[] };
}

/** Long enough for a machine that does much else. */
const PATIENCE_MS = 240_000;
const skip = (await missingForPods()) || (await missingForNetworks()) || (await missingPython());

describe('training stages by Kubeflow Trainer 2.2', { skip }, () => {
  let rig: Rig;
  let kubeflow: Kubeflow;

  const change = (spec: object) =>
    rig.plane.kubectl('patch', 'sds', NAME, '--type=merge', '-p', JSON.stringify({ spec }));
  const says = (pattern: RegExp) => podSays(rig, `${NAME}-second-`, pattern, PATIENCE_MS);

  before(async () => {
    rig = await startRig({ image: await trainerImage() });
    kubeflow = await startKubeflow(rig.plane, '2.2.0');
    for (const file of [kubeflow.torchRuntime, join(REPO, 'examples/cluster/kubeflow-runtime.yaml')])
      await rig.plane.kubectl('apply', '-f', file);
    const dataset = await rigDataset(rig, NAME, ({ spec }) => {
      spec.quota.samples = 32;
      Object.assign(spec, { training });
    });
    await rig.plane.apply(dataset);
  });
  after(async () => {
    await kubeflow?.stop();
    await rig?.stop();
  });

  test('run to their end as TrainJobs with runtimePatches', async () => {
    await waitForReady(rig, NAME, isReason('Training'), PATIENCE_MS);
    const { stages } = await waitForReady(rig, NAME, isReady, PATIENCE_MS);
    const { items } = JSON.parse(await rig.plane.kubectl('get', 'trainjobs', '-o', 'json')) as { items: TrainJob[] };
    assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), [`${NAME}-first-1`, `${NAME}-second-1`]);
    for (const { spec, status } of items) {
      assert.deepEqual(
        Object.keys(spec).filter((field) => /Patches|Overrides/.test(field)),
        ['runtimePatches'],
      );
      assert.equal(status?.conditions?.find(({ type }) => type === 'Complete')?.status, 'True');
    }
    for (const { name, state, metrics } of stages!) {
      assert.equal(state, 'Succeeded', name);
      assert.ok(Number.isFinite(metrics?.accuracy), `${name} has an accuracy`);
    }
  });

  test('end when the dataset is suspended, and resume from their checkpoints', async () => {
    const changed = { ...second, hyperparameters: ENDLESS, runtimeRef: first.runtimeRef };
    await change({ training: { ...training, stages: [first, changed] } });
    await says(/second: .* to train on.*\n.*second: /);
    // By a token of its pod, which has no labels of ours.
    await until(
      'its progress is reported',
      async () => {
        const { status } = JSON.parse(await rig.plane.kubectl('get', 'sds', NAME, '-o', 'json')) as Reported;
        return status.stages.some(({ name, progress }) => name === 'second' && progress !== undefined);
      },
      PATIENCE_MS,
    );
    await change({ suspend: true });
    await waitForReady(rig, NAME, isReason('Suspended'), PATIENCE_MS);
    await until('no pod runs', async () => rig.kubelet.running().length === 0, PATIENCE_MS);
    await change({ suspend: false });
    await says(/second: resumes from the checkpoint of step [1-9]/);
  });
});
