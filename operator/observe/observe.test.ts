import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANNOTATIONS, FINALIZER, LABELS } from '../../contract/cluster.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject, ListQuery, Stored } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { pauseLeft } from '../decide/step-job.ts';
import { createEnds } from './ends.ts';
import { createParser, type ObserveContext, observe } from './observe.ts';
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
    endsOf: createEnds(() => 0).of,
    parse: () => ({ dataset }),
    now: () => 0,
  };
}

const resourceOf = (uri: string, podTemplate?: Record<string, unknown>): Stored => ({
  ...smallDataset((spec) => {
    spec.output.uri = uri;
    if (podTemplate) spec.workers = { ...spec.workers, podTemplate };
  }),
  metadata: { namespace: 'ns', name: 'small', uid: 'uid', resourceVersion: '1' },
});

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

test('reports of a stage that runs are kept, also where the dataset was finished before and all else is forgotten', async () => {
  for (const [status, expected] of [
    [{ active: 1, ready: 1 }, [{ stage: 'pretrain', done: 1, all: 2 }]],
    [{ conditions: [{ type: 'Complete', status: 'True' }] }, []],
  ] as const) {
    const labels = { [LABELS.role]: 'train', [LABELS.stage]: 'pretrain' };
    const metadata = { name: 'small-pretrain-1', labels, annotations: { [ANNOTATIONS.round]: '1' } };
    const context = setUp(({ kind }) => (kind === 'Job' ? [{ metadata, spec: {}, status }] : []));
    await observe(context, object());
    context.progress.take({ uid: 'uid', kind: 'step', event: { stage: 'pretrain', done: 1, all: 2 } }, true);
    assert.deepEqual((await observe(context, object())).progress.steps, expected);
  }
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
    const pod = {
      metadata: { name: 'p', labels: { [LABELS.jobSet]: 'small-pretrain-1' } },
      status: { phase: 'Running' },
    };
    const context = setUp(({ kind, labels = {} }) =>
      kind === 'Pod' && labels[LABELS.uid] === undefined && labels[LABELS.jobSet] === null ? [pod] : [],
    );
    assert.equal((await observe(context, object('2026-01-02T03:00:00Z'))).pods.present, 1);
  });

  test('is not gone before the pods of a TrainJob that no status names yet, and does not wait for those of others', async () => {
    const pod = (jobSet: string) => ({
      metadata: { name: jobSet, labels: { [LABELS.jobSet]: jobSet } },
      status: { phase: 'Running' },
    });
    const presentOf = async (jobSet: string) => {
      const context = setUp(({ kind, labels = {} }) =>
        kind === 'Pod' && LABELS.jobSet in labels ? [pod(jobSet)] : [],
      );
      return (await observe(context, { ...object('2026-01-02T03:00:00Z'), spec: dataset.spec })).pods.present;
    };
    // The status names the first round of pretraining.
    assert.equal(await presentOf('small-pretrain-7'), 1);
    assert.equal(await presentOf('small-evaluate-1'), 1);
    for (const other of ['smaller-pretrain-7', 'small-pretrain-x', 'other-pretrain-7', 'small-workers-1']) {
      assert.equal(await presentOf(other), 0, other);
    }
  });

  test('A4: names the pods of a TrainJob that the API server refuses, whose Events are those of its Jobs', async () => {
    const annotations = { 'cohortfarm.dev/round': '1' };
    const labels = { [LABELS.role]: 'train', [LABELS.stage]: 'pretrain' };
    const trainJob = { metadata: { name: 'small-pretrain-1', uid: 'train-job', labels, annotations }, spec: {} };
    const job = {
      metadata: { name: 'small-pretrain-1-node-0', uid: 'job-of-it', labels: { [LABELS.jobSet]: 'small-pretrain-1' } },
      spec: { parallelism: 4 },
      status: { active: 1 },
    };
    const note = 'Error creating: pods "small-pretrain-1-node-0-0-x" is forbidden: exceeded quota: gpus';
    const event = { metadata: { creationTimestamp: '1970-01-01T00:00:00Z' }, reason: 'FailedCreate', note };
    const context = setUp(({ kind, labels: asked = {}, fieldSelector }) => {
      if (kind === 'TrainJob') return [trainJob];
      if (kind === 'Job') return LABELS.jobSet in asked ? [job] : [];
      return kind === 'Event' && fieldSelector?.includes('uid=job-of-it') ? [event] : [];
    });
    const { waiting } = (await observe({ ...context, now: () => 60_000 }, object())).pods;
    assert.deepEqual(
      waiting.map((problem) => [problem.job, problem.reason]),
      [['small-pretrain-1', 'PodsRefused']],
    );
    assert.match(
      waiting[0]!.message,
      /^3 of 4 pods are refused: exceeded quota: gpus; .*spec\.training \(stage pretrain\)/,
    );
  });
});

test('B: a dataset for which nothing was made yet costs no request, and one that is held or has a status is looked at', async () => {
  const asked: string[] = [];
  const context = setUp(({ kind }) => {
    asked.push(kind);
    return [];
  });
  const { status: _, ...untouched } = object();
  await observe(context, untouched);
  assert.deepEqual(asked, []);
  await observe(context, { ...untouched, status: {} });
  await observe(context, { ...untouched, metadata: { ...untouched.metadata, finalizers: [FINALIZER] } });
  assert.equal(asked.filter((kind) => kind === 'Job').length, 2);
});

test('A27: an output that no pod can write to is refused before any is made, unless a volume may be there', () => {
  const parse = (uri: string, podTemplate?: Record<string, unknown>) => {
    const { parsed } = { parsed: createParser().parse(resourceOf(uri, podTemplate)) };
    return 'issues' in parsed ? parsed.issues.map(({ path, message }) => `${path}: ${message}`) : [];
  };
  const volume = { spec: { containers: [{ name: 'main', volumeMounts: [{ name: 'nfs', mountPath: '/data' }] }] } };
  for (const uri of ['file:///data/cohort', '/data/cohort']) {
    assert.deepEqual(parse(uri), [
      `spec.output.uri: "${uri}" is no place that pods can write to; write s3://BUCKET/PREFIX, or mount a volume that all pods share by spec.workers.podTemplate`,
    ]);
    assert.deepEqual(parse(uri, volume), []);
  }
  assert.deepEqual(parse('s3://bucket/cohort'), []);
});

test('A27: the answers of all pods of a stage are read, however many nodes it has', async () => {
  const labels = { [LABELS.role]: 'train', [LABELS.stage]: 'pretrain' };
  const annotations = { 'cohortfarm.dev/round': '1' };
  const job = { metadata: { name: 'small-pretrain-1', labels, annotations }, spec: {}, status: { succeeded: 1000 } };
  const queries: ListQuery[] = [];
  const context = setUp((query) => {
    queries.push(query);
    return query.kind === 'Job' ? [job] : [];
  });
  await observe({ ...context, parse: () => ({ dataset: smallDataset() }) }, { ...object(), status: {} });
  const answers = queries.filter(({ fieldSelector }) => fieldSelector === 'status.phase=Succeeded');
  assert.deepEqual(
    answers.map(({ limit }) => limit),
    [undefined],
  );
});

test('a pause after a Job ends in time where the clock of the cluster is an hour ahead', async () => {
  let now = Date.parse('2026-01-02T03:00:00Z');
  const metadata = {
    ...{ name: 'small-workers-1', uid: 'workers-1', labels: { [LABELS.role]: 'workers' } },
    annotations: { 'cohortfarm.dev/round': '1' },
  };
  const failed = { type: 'Failed', status: 'True', lastTransitionTime: '2026-01-02T04:00:00Z' };
  const job = { metadata, spec: { parallelism: 1 }, status: { failed: 1, conditions: [failed] } };
  const context = setUp(({ kind }) => (kind === 'Job' ? [job] : []));
  const ends = createEnds(() => now);
  const leftAfter = async (seconds: number) => {
    now += 1000 * seconds;
    const observed = await observe({ ...context, endsOf: ends.of, now: () => now }, object());
    return pauseLeft(observed, observed.jobs[0]!, 10);
  };
  assert.deepEqual([await leftAfter(0), await leftAfter(4), await leftAfter(6)], [10, 6, 0]);
  failed.lastTransitionTime = '2026-01-02T03:00:08Z';
  assert.equal(await leftAfter(0), 0, 'the first sight counts');
  ends.forget('uid');
  assert.equal(await leftAfter(0), 8);
});
