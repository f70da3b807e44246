import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueAdmin } from '../../platform/queue/types.ts';
import { createMetrics } from './metrics.ts';
import { timedQueue } from './timed-queue.ts';

const counts = {
  ...{
    accepted: 0,
    rejected: {},
    shardsCommitted: 0,
    imagesPerSecond: 0,
    gpuSeconds: 0,
    rejectedGpuSeconds: 0,
    trainingGpuSeconds: 0,
  },
};

/** The lines that say something of the metric. */
const lines = async (metrics: ReturnType<typeof createMetrics>, name: string) =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name) && !line.includes('_bucket'));

describe('metrics', () => {
  it('count reconciles, failures by reason, calls and the depth of the queue', async () => {
    let depth = 3;
    const metrics = createMetrics(
      () => depth,
      () => 2,
    );
    metrics.reconciled(0.1, null);
    metrics.reconciled(0.2, 'ECONNREFUSED');
    metrics.request({ verb: 'get', resource: 'jobs', code: '200', seconds: 0.01 });
    metrics.leads(true);
    assert.deepEqual(await lines(metrics, 'cohortfarm_reconcile_total'), [
      'cohortfarm_reconcile_total{result="success"} 1',
      'cohortfarm_reconcile_total{result="error"} 1',
    ]);
    assert.deepEqual(await lines(metrics, 'cohortfarm_reconcile_errors_total'), [
      'cohortfarm_reconcile_errors_total{reason="ECONNREFUSED"} 1',
    ]);
    assert.deepEqual(await lines(metrics, 'cohortfarm_kube_requests_total'), [
      'cohortfarm_kube_requests_total{verb="get",resource="jobs",code="200"} 1',
    ]);
    assert.deepEqual(await lines(metrics, 'cohortfarm_leader'), ['cohortfarm_leader 1']);
    assert.deepEqual(await lines(metrics, 'cohortfarm_workqueue_depth'), ['cohortfarm_workqueue_depth 3']);
    assert.deepEqual(await lines(metrics, 'cohortfarm_claims_refused'), ['cohortfarm_claims_refused 2']);
    depth = 0;
    assert.deepEqual(await lines(metrics, 'cohortfarm_workqueue_depth'), ['cohortfarm_workqueue_depth 0']);
    assert.equal((await lines(metrics, 'process_resident_memory_bytes')).length, 1);
  });

  it('report totals of a dataset, not sums of what was reported, and restart with another dataset of its name', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    metrics.counted(key, { ...counts, accepted: 5, rejected: { age: 2 } });
    metrics.counted(key, {
      ...counts,
      accepted: 9,
      rejected: { age: 2, sex: 1 },
      shardsCommitted: 1,
      imagesPerSecond: 2,
    });
    const labels = 'namespace="ns",dataset="a"';
    assert.deepEqual(await lines(metrics, 'cohortfarm_images'), [
      `cohortfarm_images_accepted_total{${labels}} 9`,
      `cohortfarm_images_rejected_total{${labels},gate="age"} 2`,
      `cohortfarm_images_rejected_total{${labels},gate="sex"} 1`,
      `cohortfarm_images_per_second{${labels}} 2`,
    ]);
    metrics.counted(key, { ...counts, accepted: 1 });
    assert.deepEqual(await lines(metrics, 'cohortfarm_images'), [
      `cohortfarm_images_accepted_total{${labels}} 1`,
      `cohortfarm_images_per_second{${labels}} 0`,
    ]);
  });

  it('say what each condition says, and no more what it said before', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    const condition = (type: 'Ready' | 'Stalled', status: 'True' | 'False', reason: string) => ({
      ...{ type, status, reason, message: '', observedGeneration: 1, lastTransitionTime: '2026-01-02T03:04:05Z' },
    });
    metrics.status(key, {
      conditions: [condition('Ready', 'False', 'Generating'), condition('Stalled', 'False', 'Generating')],
    });
    metrics.status(key, {
      conditions: [condition('Ready', 'False', 'PodsRefused'), condition('Stalled', 'True', 'PodsRefused')],
    });
    const labels = 'namespace="ns",dataset="a"';
    assert.deepEqual(await lines(metrics, 'cohortfarm_dataset_condition'), [
      `cohortfarm_dataset_condition{${labels},type="Ready",status="False",reason="PodsRefused"} 1`,
      `cohortfarm_dataset_condition{${labels},type="Stalled",status="True",reason="PodsRefused"} 1`,
    ]);
    metrics.forget(key);
    assert.deepEqual(await lines(metrics, 'cohortfarm_dataset_condition'), []);
  });

  it('leave nothing of a dataset that is gone', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    metrics.counted(key, {
      ...counts,
      accepted: 5,
      rejected: { age: 2 },
      gpuSeconds: 7,
      rejectedGpuSeconds: 2,
      trainingGpuSeconds: 3,
    });
    const stages = [{ name: 'pretrain', state: 'Running' as const }];
    metrics.status(key, { samples: { wanted: 9, accepted: 5, exhausted: 0, attempts: 7 }, secondsLeft: 60, stages });
    assert.match(await metrics.text(), /seconds_left\{namespace="ns",dataset="a"\} 60/);
    metrics.forget(key);
    assert.doesNotMatch(await metrics.text(), /dataset="a"/);
    metrics.forget(key);
  });

  it('say what workers used, how much of it was rejected, what is wanted, and how long it takes', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    const labels = 'namespace="ns",dataset="a"';
    for (const gpuSeconds of [100, 160]) {
      metrics.counted(key, { ...counts, gpuSeconds, rejectedGpuSeconds: gpuSeconds / 4 });
    }
    assert.deepEqual(await lines(metrics, 'cohortfarm_gpu_seconds'), [
      `cohortfarm_gpu_seconds_total{${labels}} 160`,
      `cohortfarm_gpu_seconds_rejected_total{${labels}} 40`,
    ]);
    const samples = { wanted: 24, accepted: 8, exhausted: 0, attempts: 10 };
    metrics.status(key, { samples, secondsLeft: 60 });
    assert.deepEqual(await lines(metrics, 'cohortfarm_seconds_left'), [`cohortfarm_seconds_left{${labels}} 60`]);
    assert.deepEqual(await lines(metrics, 'cohortfarm_samples_wanted'), [`cohortfarm_samples_wanted{${labels}} 24`]);
    metrics.status(key, { samples });
    assert.deepEqual(await lines(metrics, 'cohortfarm_seconds_left'), []);
  });

  it('say the state of each stage, and nothing of one that left the spec', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    const stage = (name: string, state: 'Running' | 'Failed') => ({ name, state });
    metrics.status(key, { stages: [stage('pretrain', 'Running'), stage('finetune', 'Running')] });
    metrics.status(key, { stages: [stage('pretrain', 'Failed')] });
    const of = (state: string) =>
      `cohortfarm_stage_state{namespace="ns",dataset="a",stage="pretrain",state="${state}"}`;
    assert.deepEqual(await lines(metrics, 'cohortfarm_stage_state'), [
      `${of('Pending')} 0`,
      `${of('Running')} 0`,
      `${of('Succeeded')} 0`,
      `${of('Failed')} 1`,
    ]);
  });

  it('say how far stages and the publish pod are, while they report', async () => {
    const metrics = createMetrics(() => 0);
    const key = { namespace: 'ns', name: 'a' };
    const stage = { name: 'pretrain', state: 'Running' as const };
    const of = '{namespace="ns",dataset="a",stage="pretrain"}';
    metrics.status(key, { publishing: { done: 3, all: 9 } });
    assert.deepEqual(await lines(metrics, 'cohortfarm_publish_shards'), [
      'cohortfarm_publish_shards{namespace="ns",dataset="a"} 9',
      'cohortfarm_publish_shards_done{namespace="ns",dataset="a"} 3',
    ]);
    metrics.status(key, { stages: [{ ...stage, progress: { done: 1200, all: 4000, secondsLeft: 720 } }] });
    assert.deepEqual(
      [...(await lines(metrics, 'cohortfarm_stage_s')), ...(await lines(metrics, 'cohortfarm_publish_shards'))].filter(
        (line) => !line.includes('state='),
      ),
      [
        `cohortfarm_stage_steps${of} 4000`,
        `cohortfarm_stage_steps_done${of} 1200`,
        `cohortfarm_stage_seconds_left${of} 720`,
      ],
    );
    metrics.status(key, { stages: [stage] });
    assert.deepEqual(await lines(metrics, 'cohortfarm_stage_steps'), []);
  });

  it('time requests to the queue, by what they do and how they end', async () => {
    const metrics = createMetrics(() => 0);
    let now = 0;
    const away = new Error('away');
    const queue = {
      problem: 'away',
      state: async () => {
        now += 20;
        return null;
      },
      remove: async () => {
        now += 3000;
        throw away;
      },
    } as unknown as QueueAdmin;
    const timed = timedQueue(queue, metrics.queueRequest, () => now);
    assert.deepEqual([await timed.state('uid'), timed.problem], [null, 'away']);
    await assert.rejects(timed.remove('uid'), away);
    const name = 'cohortfarm_queue_request_duration_seconds';
    assert.deepEqual(await lines(metrics, `${name}_sum`), [
      `${name}_sum{operation="state",result="success"} 0.02`,
      `${name}_sum{operation="remove",result="error"} 3`,
    ]);
  });
});
