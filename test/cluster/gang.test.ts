import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { missingForPods } from '../../testbed/available.ts';
import { until } from '../../testbed/replica.ts';
import { isReason, type Rig, rigDataset, startRig, waitForReady } from '../../testbed/rig.ts';
import { missingPython } from '../support/venv.ts';
import { SHORT, trainerImage } from './trainer.ts';

/** A training stage of two nodes, of which one goes away without a word: its connections stay open. */

const NAME = 'gang';
/** It trains until it is stopped, and stores a checkpoint every second. */
const hyperparameters = { ...SHORT, steps: 1_000_000, validateSteps: 20, patience: 10_000, checkpointSeconds: 1 };
const labelSelector = { matchLabels: { 'cohortfarm.dev/stage': 'pretrain' } };
const apart = [{ topologyKey: 'kubernetes.io/hostname', labelSelector }];
const podTemplate = {
  spec: {
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: apart } },
    // The one that is left waits in the middle of a step, and pods share this machine's ports.
    terminationGracePeriodSeconds: 1,
  },
};

/** Stops all processes of a pod where they are. */
async function freeze(pod: string): Promise<void> {
  const hostname = pod.slice(0, pod.lastIndexOf('-'));
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const env = await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '');
    if (env.split('\0').includes(`HOSTNAME=${hostname}`)) process.kill(Number(id), 'SIGSTOP');
  }
}

describe('a training stage of two nodes', { skip: (await missingForPods()) || (await missingPython()) }, () => {
  let rig: Rig;
  before(async () => {
    const nodes = ['node-a', 'node-b', 'node-c'].map((name) => ({ name }));
    rig = await startRig({ image: await trainerImage(), nodes, nodeGraceSeconds: 8 });
  });
  after(() => rig?.stop());

  test('starts again as a whole, from the checkpoint, when the node of one of its pods is lost', async () => {
    const { kubelet, plane } = rig;
    const dataset = (await rigDataset(rig, NAME)) as object as { spec: Record<string, unknown> };
    const { quota } = dataset.spec as { quota: { samples: number } };
    quota.samples = 32;
    const stage = { name: 'pretrain', type: 'Pretrain', nodes: 2, hyperparameters, podTemplate };
    dataset.spec.training = { architecture: 'cnn-small', imageSize: 32, stages: [stage] };
    await plane.apply(dataset);
    const pods = (round: number) => kubelet.running().filter((pod) => pod.startsWith(`${NAME}-pretrain-${round}-`));
    const says = async (round: number, pattern: RegExp) => {
      const logs = await Promise.all(pods(round).map((pod) => kubelet.logs(pod)));
      return logs.some((log) => pattern.test(log));
    };
    const checkpoint = () => openStore(`s3://cohorts/${NAME}`, rig.s3.options).stat('training/pretrain/checkpoint.pt');
    await waitForReady(rig, NAME, isReason('Training'), 240_000);
    await until('it trains', () => says(1, /pretrain: step/), 240_000);
    await until('a checkpoint is stored', checkpoint);
    const lost = pods(1).find((pod) => pod.startsWith(`${NAME}-pretrain-1-1-`))!;
    const { spec } = JSON.parse(await plane.kubectl('get', 'pod', lost, '-o', 'json'));
    rig.kubelet.loseNode(spec.nodeName);
    await freeze(lost);
    await until('both resume', () => says(2, /pretrain: resumes from the checkpoint of step [1-9]/), 120_000);
    assert.equal(pods(2).length, 2);
    assert.doesNotMatch(await plane.kubectl('get', 'jobs', '-o', 'name'), new RegExp(`${NAME}-pretrain-1`));
    const replaced = new RegExp(`Replaced Job ${NAME}-pretrain-1: the node of pod ${lost} is lost`);
    const events = () => plane.kubectl('get', 'events', '-o', 'jsonpath={.items[*].note}{.items[*].message}');
    await until('an Event says so', async () => replaced.test(await events()));
  });
});
