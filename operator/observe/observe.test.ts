import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LABELS } from '../../contract/cluster.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject, ListQuery, Stored } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { type ObserveContext, observe } from './observe.ts';
import { JOB_SET } from './pods.ts';
import { createProgressStore } from './progress-store.ts';

/** Requests of the operator to the API server, which is a function here. */

const dataset: SyntheticDataset = smallDataset((spec) => {
  spec.training = {
    labels: ['edema'],
    stages: [{ name: 'pretrain', type: 'Pretrain', runtimeRef: { name: 'cohortfarm' } }],
  };
});

function setUp(answer: (query: ListQuery) => object[]): ObserveContext {
  const list = async <T extends KubeObject>(query: ListQuery) => ({
    items: answer(query) as Stored<T>[],
    resourceVersion: '1',
  });
  return {
    kube: { list },
    observeQueue: async () => ({ state: 'missing' }),
    progress: createProgressStore({
      now: () => 0,
      wake: () => undefined,
      isKnown: () => true,
      onIgnored: () => undefined,
    }),
    observeTrainer: async () => undefined,
    parse: () => ({ dataset }),
    now: () => 0,
  };
}

const object = (deletionTimestamp?: string): Stored => ({
  apiVersion: 'cohortfarm.dev/v1alpha1',
  kind: 'SyntheticDataset',
  metadata: {
    namespace: 'ns',
    name: 'small',
    uid: 'uid',
    resourceVersion: '1',
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
  },
  status: { stages: [{ name: 'pretrain', state: 'Running', job: 'small-pretrain-1' }] },
});

describe('a dataset with TrainJobs', () => {
  const refusing = (reason: 'noSuchKind' | 'forbidden') =>
    setUp(({ kind }) => {
      if (kind === 'TrainJob') throw new KubeError(reason, { reason, message: 'no' });
      return [];
    });

  test('has none where Kubeflow Trainer is not installed', async () => {
    assert.deepEqual((await observe(refusing('noSuchKind'), object())).jobs, []);
  });

  test('is not judged while nobody may list them: one that runs would be started again', async () => {
    await assert.rejects(observe(refusing('forbidden'), object()), KubeError);
  });

  test('still has those of a spec that names no runtime any more', async () => {
    const asked: string[] = [];
    const context = setUp(({ kind }) => {
      asked.push(kind);
      return [];
    });
    await observe({ ...context, parse: () => ({ dataset: smallDataset() }) }, object());
    assert.ok(asked.includes('TrainJob'));
  });

  test('is not gone before their pods, which have none of our labels and may outlive them', async () => {
    const pod = { metadata: { name: 'p', labels: { [JOB_SET]: 'small-pretrain-1' } }, status: { phase: 'Running' } };
    const context = setUp(({ kind, labels = {} }) =>
      kind === 'Pod' && labels[LABELS.uid] === undefined && labels[JOB_SET]?.includes('small-pretrain-1') ? [pod] : [],
    );
    assert.equal((await observe(context, object('2026-01-02T03:00:00Z'))).pods.present, 1);
  });
});
