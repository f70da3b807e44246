import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject, ListQuery, Stored } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { jobOf } from '../../test/support/observed.ts';
import { withAdmission } from './workloads.ts';

/** Kueue's words on Jobs that wait. */

const dataset = smallDataset((spec) => {
  spec.workers = { queueName: 'gpus' };
});
const waiting = jobOf('workers', { dataset, suspended: true, active: 0, ready: 0 });
const workload = (status: object) => ({
  metadata: { labels: { 'kueue.x-k8s.io/job-uid': waiting.uid } },
  status,
});
const reserved = (status: string, message: string) => ({ type: 'QuotaReserved', status, message });

/** Returns the words on the Job, and the queries. */
async function saysOf(answer: () => object[], job = waiting) {
  const queries: ListQuery[] = [];
  const list = async <T extends KubeObject>(query: ListQuery) => {
    queries.push(query);
    return { items: answer() as Stored<T>[], resourceVersion: '1' };
  };
  const [found] = await withAdmission({ list }, 'ns', [job]);
  return { admission: found?.admission, queries };
}

describe('a Job that waits for Kueue', () => {
  test('is asked about by its UID, and has the message of its Workload', async () => {
    const { admission, queries } = await saysOf(() => [
      workload({ conditions: [reserved('False', "couldn't assign flavors: insufficient quota,\n 2 more needed")] }),
    ]);
    assert.equal(admission, "couldn't assign flavors: insufficient quota, 2 more needed");
    assert.deepEqual(queries[0]?.labels, { 'kueue.x-k8s.io/job-uid': [waiting.uid] });
  });

  test('has the checks that it has not passed, where quota is reserved', async () => {
    const status = {
      conditions: [reserved('True', 'Quota reserved in ClusterQueue gpus')],
      admissionChecks: [
        { name: 'passed', state: 'Ready', message: 'fine' },
        { name: 'provisioning', state: 'Pending', message: 'nodes are being made' },
      ],
    };
    assert.equal((await saysOf(() => [workload(status)])).admission, 'provisioning: nodes are being made');
  });

  test('has none as long as nothing is known of it, or nothing may be', async () => {
    assert.equal((await saysOf(() => [workload({})])).admission, undefined);
    assert.equal((await saysOf(() => [])).admission, undefined);
    for (const reason of ['noSuchKind', 'forbidden'] as const) {
      const refuse = () => {
        throw new KubeError(reason, { reason, message: 'no' });
      };
      assert.equal((await saysOf(refuse)).admission, undefined, reason);
    }
  });

  test('is not asked about once it is admitted, or where no queue is named', async () => {
    for (const job of [jobOf('workers', { dataset }), jobOf('workers', { suspended: true })])
      assert.deepEqual((await saysOf(() => [], job)).queries, []);
  });
});
