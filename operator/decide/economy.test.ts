import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReasonName } from '../../contract/reasons.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import {
  DIGEST,
  failedPod,
  filledQueue,
  jobOf,
  NOW,
  observed,
  progressOf,
  SETTINGS,
  waitingPod,
} from '../../test/support/observed.ts';
import type { JobView, Observed } from '../observed.ts';
import { decide } from './decide.ts';

/** No GPU for nothing: how many workers there are, where they run, and what is not left running. */

const datasetWith = (replicas: number, more: object = {}) =>
  smallDataset((spec) => {
    spec.workers = { ...spec.workers, replicas, ...more };
  });
const NO_PODS = { waiting: [], failed: [], succeeded: [], present: 0 };

interface AppliedJob {
  readonly parallelism: number;
  readonly template: { readonly spec: { readonly affinity?: object } };
}

/** The Job that a decision applies, if it does. */
function appliedJob(given: Observed): AppliedJob | undefined {
  for (const action of decide(given, SETTINGS).actions) {
    if (action.type === 'apply' && action.object.kind === 'Job') return action.object.spec as AppliedJob;
  }
  return undefined;
}
const removed = (given: Observed) =>
  decide(given, SETTINGS).actions.flatMap((action) => (action.type === 'deleteJob' ? action.name : []));

const outcome = (reason: ReasonName) => ({ apiVersion: 'cohortfarm.dev/outcome/v1' as const, reason, message: 'why' });

describe('A14: as many workers as there are shards', () => {
  test('also before the plan is known, where the spec says how many those are', () => {
    // 24 samples in shards of 10.
    const atOnce = (replicas: number) => observed({ parsed: { dataset: datasetWith(replicas, { probe: false }) } });
    assert.equal(appliedJob(atOnce(64))?.parallelism, 3);
    assert.equal(appliedJob(atOnce(2))?.parallelism, 2);
  });

  test('and one that probes in the first round, unless the spec has them start at once; the others follow in the same Job', () => {
    const dataset = datasetWith(3);
    assert.equal(appliedJob(observed({ parsed: { dataset } }))?.parallelism, 1);
    const probe = jobOf('workers', { dataset, parallelism: 1 });
    const running = observed({ parsed: { dataset }, jobs: [probe], queue: filledQueue(0, { filledFor: null }) });
    assert.equal(appliedJob(running), undefined);
    assert.match(decide(running, SETTINGS).stepStatus!.message, /^Workers are starting: 1 of 1 run; the others follow/);
    const planned = { ...running, progress: progressOf({ planned: true }).summary(NOW) };
    assert.equal(appliedJob(planned)?.parallelism, 3);
    assert.deepEqual(removed(planned), []);
  });

  test('and one that probes after a round that found out no plan; the others follow once it has one', () => {
    const dataset = datasetWith(3);
    const failed = jobOf('workers', { dataset, parallelism: 3, state: 'failed', endedAt: NOW - 600_000 });
    const given = observed({
      parsed: { dataset },
      jobs: [failed],
      pods: { ...NO_PODS, failed: [failedPod(failed, { outcome: outcome('BucketNotFound') })] },
    });
    assert.equal(appliedJob(given)?.parallelism, 1);
    const probe = jobOf('workers', { dataset, round: 2, parallelism: 1 });
    const running = { ...given, jobs: [probe], pods: NO_PODS, queue: filledQueue(3) };
    assert.equal(appliedJob(running), undefined);
    assert.equal(appliedJob({ ...running, progress: progressOf({ planned: true }).summary(NOW) })?.parallelism, 3);
  });

  test('and does not wait for a probe whose node is lost', () => {
    const dataset = datasetWith(3);
    const probe = jobOf('workers', { dataset, parallelism: 1 });
    const lost = {
      job: probe.name,
      pod: 'one',
      reason: 'NodeLost',
      message: 'is lost',
      pods: 1,
      since: NOW - 3_600_000,
    };
    const given = observed({ parsed: { dataset }, jobs: [probe], queue: filledQueue(0, { filledFor: null }) });
    assert.equal(appliedJob(given), undefined);
    const without = { ...given, pods: { ...NO_PODS, waiting: [lost as (typeof NO_PODS.waiting)[number]] } };
    assert.equal(appliedJob(without)?.parallelism, 3);
  });

  test('a probe that a default queue of Kueue has admitted is not removed where no other round may follow', () => {
    const dataset = datasetWith(3, { limits: { maxRounds: 1 } });
    const probe = jobOf('workers', { dataset, parallelism: 1, queueName: 'default' });
    const planned = observed({
      parsed: { dataset },
      jobs: [probe],
      queue: filledQueue(3),
      progress: progressOf({ planned: true }).summary(NOW),
      status: { usage: { rounds: 1 } } as never,
    });
    assert.deepEqual(removed(planned), []);
  });

  test('but under Kueue no probe, which would have to be queued again', () => {
    const dataset = datasetWith(3, { queueName: 'gpus' });
    assert.equal(appliedJob(observed({ parsed: { dataset } }))?.parallelism, 3);
    const failed = jobOf('workers', { dataset, parallelism: 3, state: 'failed', endedAt: NOW - 600_000 });
    const pods = { ...NO_PODS, failed: [failedPod(failed, { outcome: outcome('BucketNotFound') })] };
    assert.equal(appliedJob(observed({ parsed: { dataset }, jobs: [failed], pods }))?.parallelism, 3);
  });
});

describe('A13: a running Job', () => {
  const given = (dataset: ReturnType<typeof datasetWith>, job: JobView) =>
    observed({
      parsed: { dataset },
      jobs: [job],
      queue: filledQueue(1),
      progress: progressOf({ planned: true, committed: 2 }).summary(NOW),
      status: { planDigest: DIGEST },
    });

  test('does not shrink with every shard that is committed', () => {
    for (const round of [1, 2]) {
      const dataset = datasetWith(3);
      assert.equal(appliedJob(given(dataset, jobOf('workers', { dataset, round, parallelism: 3 }))), undefined);
    }
  });

  test('shrinks with an edit', () => {
    const dataset = datasetWith(2);
    assert.equal(appliedJob(given(dataset, jobOf('workers', { dataset, parallelism: 3 })))?.parallelism, 2);
  });
});

test('A27: a pause lasts no longer where the clock of the cluster is ahead', () => {
  const failed = jobOf('workers', { state: 'failed', failed: 1 });
  const waitOf = (endedAt: number) => decide(observed({ jobs: [{ ...failed, endedAt }] }), SETTINGS).requeueAfter!;
  assert.equal(waitOf(NOW), 10);
  assert.equal(waitOf(NOW - 4000), 6);
  assert.equal(waitOf(NOW + 300_000), 10);
});

describe('A5: a bad node', () => {
  const dataset = datasetWith(3);
  const job = jobOf('workers', { dataset, parallelism: 3 });
  const failed = failedPod(job, { node: 'gpu-7', outcome: outcome('ProviderUnavailable') });
  const progress = progressOf({ planned: true, committed: 1 }).summary(NOW);

  test('is named while the others work', () => {
    const { stepStatus, actions } = decide(
      observed({
        parsed: { dataset },
        jobs: [{ ...job, failed: 1 }],
        pods: { ...NO_PODS, failed: [{ ...failed, endedAt: NOW - 5000 }] },
        queue: filledQueue(2),
        progress,
      }),
      SETTINGS,
    );
    assert.equal(stepStatus?.reason, 'Generating');
    assert.match(stepStatus!.message, /nodes gpu-7 cannot run workers \(ProviderUnavailable: why\)/);
    assert.deepEqual(actions, []);
  });

  const ended = (outcomeReason: ReasonName, nodes: string[]) =>
    observed({
      parsed: { dataset },
      jobs: [{ ...job, state: 'failed', endedAt: NOW - 600_000 }],
      pods: { ...NO_PODS, failed: nodes.map((node) => ({ ...failed, node, outcome: outcome(outcomeReason) })) },
      queue: filledQueue(2),
      progress,
    });
  const affinityOf = (given: Observed) => JSON.stringify(appliedJob(given)?.template.spec.affinity ?? null);

  test('is kept away from in the next round', () => {
    assert.match(affinityOf(ended('ProviderUnavailable', ['gpu-7', 'gpu-7', 'gpu-9'])), /NotIn.*gpu-7.*NotIn.*gpu-9/);
  });

  test('is not to blame for what is wrong everywhere, nor where all nodes would be', () => {
    assert.equal(affinityOf(ended('BucketNotFound', ['gpu-7'])), 'null');
    const many = Array.from({ length: 17 }, (_, i) => `gpu-${i}`);
    assert.equal(affinityOf(ended('ProviderUnavailable', many)), 'null');
  });

  test('is tried again where there is no other node', () => {
    const second = jobOf('workers', { dataset, round: 2, ready: 0, avoidedNodes: ['gpu-7'] });
    const waiting = (seconds: number) =>
      observed({
        parsed: { dataset },
        jobs: [second],
        pods: { ...NO_PODS, waiting: [waitingPod(second, { since: NOW - seconds * 1000 })] },
        queue: filledQueue(2),
        progress,
      });
    assert.deepEqual(removed(waiting(60)), []);
    assert.deepEqual(removed(waiting(400)), [second.name]);
    assert.equal(affinityOf(waiting(400)), 'null');
  });
});

describe('A11: nothing that is not needed keeps running:', () => {
  const idle = jobOf('workers', { parallelism: 16, active: 8, ready: 0 });

  test('workers after the last shard, once those that work have had time to end', () => {
    const at = (seconds: number) =>
      observed({ jobs: [idle, jobOf('publish', { createdAt: NOW - seconds * 1000 })], queue: filledQueue(0) });
    assert.deepEqual(removed(at(10)), []);
    assert.deepEqual(removed(at(40)), [idle.name]);
  });

  test('workers of a finished dataset, so that its Jobs are removed in time', () => {
    const manifest = { uri: 'unused/dataset.json', sha256: 'b'.repeat(64) };
    const given = observed({ status: { manifest }, jobs: [idle, jobOf('publish', { state: 'complete' })] });
    assert.deepEqual(removed(given), [idle.name]);
  });

  test('workers of a dataset that is published within seconds end by themselves, and can be read', () => {
    const manifest = { uri: 'unused/dataset.json', sha256: 'b'.repeat(64) };
    const at = (seconds: number) =>
      observed({
        status: { manifest },
        jobs: [idle, jobOf('publish', { state: 'complete', createdAt: NOW - seconds * 1000 })],
      });
    assert.deepEqual(removed(at(4)), []);
    assert.equal(decide(at(4), SETTINGS).requeueAfter, 26);
    assert.deepEqual(removed(at(31)), [idle.name]);
  });

  test('a stage that has left the spec', () => {
    const manifest = { uri: 'unused/dataset.json', sha256: 'b'.repeat(64) };
    const stage: JobView = { ...jobOf('workers'), name: 'small-pretrain-1', role: 'train', stage: 'pretrain' };
    assert.deepEqual(removed(observed({ status: { manifest }, jobs: [stage] })), ['small-pretrain-1']);
  });
});
