import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject, ListQuery, Stored } from '../../kube/types.ts';
import { jobOf, NOW, OWNER } from '../../test/support/observed.ts';
import { type EventsContext, mountProblems, refusedPods } from './events.ts';
import { jobView } from './jobs.ts';

const at = (secondsAgo: number): string => new Date(NOW - secondsAgo * 1000).toISOString();
const event = (reason: string, note: string, secondsAgo = 10) => ({
  metadata: { creationTimestamp: at(secondsAgo) },
  reason,
  note,
  deprecatedFirstTimestamp: at(secondsAgo),
  deprecatedLastTimestamp: at(secondsAgo),
});

function setUp(answer: (query: ListQuery) => object[]) {
  const asked: (string | undefined)[] = [];
  const list = async <T extends KubeObject>(query: ListQuery) => {
    asked.push(`${query.fieldSelector} ${query.limit}`);
    return { items: answer(query) as Stored<T>[], resourceVersion: '1' };
  };
  const context: EventsContext = { kube: { list }, namespace: OWNER.namespace, now: NOW };
  return { context, asked };
}

const short = (missing: number, more: object = {}) => jobOf('workers', { parallelism: 16, missing, ...more });

describe('A4: pods that are refused', () => {
  test('are counted, with the last words of the API server and the fix', async () => {
    const { context, asked } = setUp(() => [
      event(
        'FailedCreate',
        'Error creating: pods "small-workers-1-0-x" is forbidden: exceeded quota: gpus, limited: 4',
      ),
      event('FailedCreate', 'Error creating: something older', 40),
    ]);
    const [problem] = await refusedPods(context, [short(12)]);
    assert.equal(
      problem?.message,
      '12 of 16 pods are refused: exceeded quota: gpus, limited: 4; raise the ResourceQuota, or lower spec.workers (replicas, resources)',
    );
    assert.deepEqual([problem?.reason, problem?.pod, problem?.since], ['PodsRefused', null, NOW - 40_000]);
    assert.deepEqual(asked, ['regarding.uid=uid-small-workers-1,reason=FailedCreate 50']);
  });

  test('are not asked for where all are there, nor at once, nor of many Jobs in one look', async () => {
    const { context, asked } = setUp(() => []);
    await refusedPods(context, [short(0), short(3, { createdAt: NOW - 1000 })]);
    assert.equal(asked.length, 0);
    await refusedPods(
      context,
      Array.from({ length: 10 }, () => short(1)),
    );
    assert.equal(asked.length, 3);
  });

  test('are those of now: what was refused long ago is over', async () => {
    const { context } = setUp(() => [event('FailedCreate', 'Error creating: old', 1200)]);
    assert.deepEqual(await refusedPods(context, [short(1)]), []);
  });

  test('stay unnamed where the operator may not list Events', async () => {
    const { context } = setUp(() => {
      throw new KubeError('forbidden', { reason: 'Forbidden', message: 'no' });
    });
    assert.deepEqual(await refusedPods(context, [short(1)]), []);
  });

  test('are those of a running Job that neither run, nor have ended, nor are about to', () => {
    const missing = (status: object, suspend = false) =>
      jobView({
        metadata: {
          name: 'j',
          labels: { 'cohortfarm.dev/role': 'workers' },
          annotations: { 'cohortfarm.dev/round': '1' },
        },
        spec: { parallelism: 16, suspend },
        status,
      })?.missing;
    assert.equal(missing({ active: 4 }), 12);
    assert.equal(missing({ active: 4, terminating: 1, succeeded: 2, failedIndexes: '0,3-5' }), 5);
    assert.equal(missing({ active: 16, failed: 3 }), 0);
    assert.equal(missing({}, true), 0);
    assert.equal(missing({ conditions: [{ type: 'Failed', status: 'True' }] }), 0);
  });
});

describe('A19: pods whose volumes cannot be mounted', () => {
  const pod = (name: string, job: string, secondsAgo: number) => ({
    job,
    pod: name,
    uid: `uid-${name}`,
    since: NOW - secondsAgo * 1000,
  });

  test('are named in the words of the kubelet, one for each Job', async () => {
    const { context, asked } = setUp(() => [
      event('FailedScheduling', 'no nodes', 2),
      event('FailedMount', 'MountVolume.SetUp failed for volume "nats" : secret "nats" not found', 5),
    ]);
    const problems = await mountProblems(context, [pod('a', 'j', 20), pod('b', 'j', 60), pod('c', 'k', 1)]);
    assert.deepEqual(
      problems.map(({ job, pod: name, reason, pods }) => [job, name, reason, pods]),
      [['j', 'b', 'ConfigMissing', 2]],
    );
    assert.match(
      problems[0]!.message,
      /^its volumes cannot be mounted: .*secret "nats" not found; create what is missing/,
    );
    assert.deepEqual(asked, ['regarding.uid=uid-b,type=Warning 50']);
  });

  test('are none while an image is pulled', async () => {
    const { context } = setUp(() => []);
    assert.deepEqual(await mountProblems(context, [pod('a', 'j', 600)]), []);
  });
});
