import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podsView } from './pods.ts';

const CREATED = '2026-01-02T03:00:00Z';

const pod = (name: string, status: object) => ({
  metadata: { name, labels: { 'batch.kubernetes.io/job-name': 'small-workers-1' }, creationTimestamp: CREATED },
  status,
});
const waiting = (name: string, reason: string, message: string) =>
  pod(name, { phase: 'Pending', containerStatuses: [{ name: 'main', state: { waiting: { reason, message } } }] });

describe('pods as the operator reads them', () => {
  test('those that wait are grouped by why, each with the fix', () => {
    const unschedulable = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes: Insufficient nvidia.com/gpu',
    };
    const view = podsView([
      waiting('a', 'ImagePullBackOff', 'no such image'),
      pod('b', { phase: 'Pending', conditions: [unschedulable] }),
      pod('c', { phase: 'Pending', conditions: [unschedulable] }),
      waiting('d', 'CreateContainerConfigError', 'secret "bucket" not found'),
      waiting('e', 'CreateContainerConfigError', 'configmap "x" not found'),
      waiting('f', 'ContainerCreating', ''),
    ]);
    assert.deepEqual(
      view.waiting.map(({ reason, pods }) => `${reason} ${pods}`),
      ['Unschedulable 2', 'ImagePullFailed 1', 'CredentialsMissing 1', 'ConfigMissing 1'],
    );
    assert.match(
      view.waiting[0]!.message,
      /Insufficient nvidia\.com\/gpu; add nodes that fit, or correct spec\.workers/,
    );
    assert.match(view.waiting[2]!.message, /secret "bucket" not found; create the Secret/);
    assert.equal(view.present, 6);
  });

  test('those whose node does not end them are due by their grace period, or by the eviction from a silent node', () => {
    const evicted = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      lastTransitionTime: '2026-01-02T03:01:00Z',
    };
    const leaving = (name: string, conditions: object[]) => {
      const one = pod(name, { phase: 'Running', conditions });
      return {
        ...one,
        metadata: { ...one.metadata, deletionTimestamp: '2026-01-02T03:11:00Z' },
        spec: { nodeName: 'n1' },
      };
    };
    const [silent, draining] = [
      { type: 'Ready', status: 'False' },
      { type: 'Ready', status: 'True' },
    ];
    const sinceOf = (...conditions: object[]) => {
      const [problem] = podsView([leaving('a', conditions)]).waiting;
      assert.equal(problem!.reason, 'NodeLost');
      assert.match(problem!.message, /kubectl delete node n1$/);
      return new Date(problem!.since).toISOString();
    };
    assert.equal(sinceOf(evicted, silent), '2026-01-02T03:01:20.000Z');
    assert.equal(sinceOf(evicted, draining), '2026-01-02T03:11:20.000Z');
    assert.equal(sinceOf(), '2026-01-02T03:11:20.000Z');
  });

  test('those that failed say what they said, the latest first', () => {
    const ended = (finishedAt: string, exitCode: number, message?: string) => ({
      phase: 'Failed',
      containerStatuses: [{ name: 'main', state: { terminated: { exitCode, reason: 'Error', finishedAt, message } } }],
    });
    const outcome = { apiVersion: 'cohortfarm.dev/outcome/v1', reason: 'BucketNotFound', message: 'create it' };
    const view = podsView([
      pod('a', ended('2026-01-02T03:01:00Z', 137)),
      pod('b', ended('2026-01-02T03:02:00Z', 78, JSON.stringify(outcome))),
      pod('c', ended('2026-01-02T03:00:30Z', 1, 'a stack, perhaps with a secret')),
    ]);
    assert.deepEqual(
      view.failed.map(({ pod, exitCode, outcome }) => [pod, exitCode, outcome?.reason ?? null]),
      [
        ['b', 78, 'BucketNotFound'],
        ['a', 137, null],
        ['c', 1, null],
      ],
    );
    assert.equal(view.present, 0);
  });

  test('one that is started again and again says what it said last', () => {
    const outcome = { apiVersion: 'cohortfarm.dev/outcome/v1', reason: 'ConfigMissing', message: 'give --config' };
    const terminated = { exitCode: 2, finishedAt: '2026-01-02T03:01:00Z', message: JSON.stringify(outcome) };
    const crashing = (waiting: object) =>
      pod('a', { phase: 'Running', containerStatuses: [{ name: 'node', state: waiting, lastState: { terminated } }] });
    const { failed, present } = podsView([
      crashing({ waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } }),
      crashing({ running: {} }),
    ]);
    assert.deepEqual(
      failed.map(({ exitCode, outcome }) => [exitCode, outcome?.message]),
      [[2, 'give --config']],
    );
    assert.equal(present, 2);
  });

  test('secrets in the words of a kubelet stay out', () => {
    const {
      waiting: [problem],
    } = podsView([waiting('a', 'ErrImagePull', 'GET https://user:hunter22@registry/v2: 401')]);
    assert.ok(!problem!.message.includes('hunter22'));
  });
});

test('A2: a cleanup pod does not count as one that is being stopped', () => {
  const pod = (role: string) => ({
    metadata: { name: role, labels: { 'cohortfarm.dev/role': role } },
    status: { phase: 'Pending' },
  });
  assert.equal(podsView([pod('workers'), pod('cleanup')]).present, 1);
});
