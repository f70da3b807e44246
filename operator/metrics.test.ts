import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from './metrics.ts';

const counts = { accepted: 0, rejected: {}, shardsCommitted: 0, imagesPerSecond: 0 };

/** The lines that say something of the metric. */
const lines = async (metrics: ReturnType<typeof createMetrics>, name: string) =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name) && !line.includes('_bucket'));

describe('metrics', () => {
  it('count reconciles, failures by reason, calls and the depth of the queue', async () => {
    let depth = 3;
    const metrics = createMetrics(() => depth);
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
    depth = 0;
    assert.deepEqual(await lines(metrics, 'cohortfarm_workqueue_depth'), ['cohortfarm_workqueue_depth 0']);
    assert.equal((await lines(metrics, 'process_resident_memory_bytes')).length, 1);
  });

  it('tell totals of a dataset, not sums of what was told, and begin anew with another dataset of its name', async () => {
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
    metrics.conditions(key, [condition('Ready', 'False', 'Generating'), condition('Stalled', 'False', 'Generating')]);
    metrics.conditions(key, [condition('Ready', 'False', 'PodsRefused'), condition('Stalled', 'True', 'PodsRefused')]);
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
    metrics.counted(key, { accepted: 5, rejected: { age: 2 }, shardsCommitted: 1, imagesPerSecond: 1 });
    metrics.forget(key);
    assert.doesNotMatch(await metrics.text(), /dataset="a"/);
    metrics.forget(key);
  });
});
