import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Spec, SyntheticDataset } from '../../contract/schema/spec.ts';
import type { Usage } from '../../contract/schema/status.ts';
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
} from '../../test/support/observed.ts';
import type { JobView, Observed } from '../observed.ts';
import { decide } from './decide.ts';

type Limits = NonNullable<Spec['workers']['limits']>;

const limited = (limits: Limits, workers: Partial<Spec['workers']> = {}) => {
  const { spec, ...rest } = smallDataset();
  return { ...rest, spec: { ...spec, workers: { ...spec.workers, ...workers, limits } } };
};

const used = (change: Partial<Usage>): Usage => ({
  ...{ rounds: 1, workers: 1, gpus: 1, activeSeconds: 0, gpuSeconds: 0, rejectedGpuSeconds: 0 },
  until: new Date(NOW).toISOString(),
  ...change,
});

function given(limits: Limits, usage: Partial<Usage>, change: Partial<JobView> = {}, more: Partial<Observed> = {}) {
  const dataset = limited(limits, { gpus: 1 });
  return observed({
    parsed: { dataset },
    status: { usage: used(usage) },
    jobs: [jobOf('workers', { dataset, ...change })],
    progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
    queue: filledQueue(2),
    ...more,
  });
}

const outcomeOf = (observed: Observed) => {
  const { policy, actions, stepStatus, requeueAfter } = decide(observed, SETTINGS);
  const done = actions.map((action) => ('name' in action ? `${action.type} ${action.name}` : action.type));
  return { policy, done, reason: stepStatus?.reason, message: stepStatus?.message ?? '', requeueAfter };
};

describe('limits of workers', () => {
  test('stop them at the deadline, and start none again until it is raised', () => {
    const limits = { activeDeadlineSeconds: 3600 };
    const running = outcomeOf(given(limits, { activeSeconds: 3599 }));
    assert.deepEqual([running.policy, running.requeueAfter], ['generating', 1]);
    const over = outcomeOf(given(limits, { activeSeconds: 3600 }));
    assert.deepEqual([over.reason, over.done], ['DeadlineExceeded', ['deleteJob small-workers-1']]);
    assert.match(over.message, /have run for 3,600 seconds, and spec\.workers\.limits\.activeDeadlineSeconds is 3,600/);
    const stopped = given(limits, { activeSeconds: 3600, workers: 0 }, {}, { jobs: [] });
    assert.deepEqual([outcomeOf(stopped).reason, outcomeOf(stopped).done], ['DeadlineExceeded', []]);
    const raised = { ...stopped, parsed: { dataset: limited({ activeDeadlineSeconds: 7200 }) } };
    // Its number was never used: pods of the first round may still be ending.
    assert.match(JSON.stringify(decide(raised, SETTINGS).actions), /"name":"small-workers-2"/);
  });

  test('stop them when their GPU-hours are used up, and come to see in time', () => {
    const limits = { maxGpuHours: 10 };
    assert.equal(outcomeOf(given(limits, { gpuSeconds: 35_970 })).requeueAfter, 30);
    const over = outcomeOf(given(limits, { gpuSeconds: 36_000 }));
    assert.deepEqual([over.reason, over.done], ['BudgetSpent', ['deleteJob small-workers-1']]);
    assert.match(over.message, /used 10\.00 GPU-hours, and spec\.workers\.limits\.maxGpuHours is 10/);
  });

  test('start no more rounds than allowed, and keep the reason of the last one', () => {
    const job = { state: 'failed' as const, round: 3, ready: 0, active: 0, endedAt: NOW - 600_000 };
    const outcome = { apiVersion: 'cohortfarm.dev/outcome/v1' as const, reason: 'BucketNotFound' as const };
    const after = (maxRounds: number) => {
      const before = given({ maxRounds }, { rounds: 3, workers: 0 }, job);
      const failed = [failedPod(before.jobs[0]!, { outcome: { ...outcome, message: 'no bucket x; create it' } })];
      return { ...before, pods: { ...before.pods, failed } };
    };
    const last = outcomeOf(after(3));
    assert.deepEqual([last.policy, last.reason, last.done], ['limitReached', 'RoundsExhausted', []]);
    assert.match(last.message, /^3 rounds of workers .*maxRounds is 3.*The last one: no bucket x; create it$/);
    assert.equal(outcomeOf(after(4)).policy, 'startWorkers');
    // A Job that is gone, after a suspension under Kueue, still counts.
    const gone = { ...after(3), jobs: [] };
    assert.equal(outcomeOf(gone).reason, 'RoundsExhausted');
  });

  test('hold back neither the last round that runs, nor publishing', () => {
    assert.equal(outcomeOf(given({ maxRounds: 1 }, { rounds: 1 })).policy, 'generating');
    const all = progressOf({ planned: true, committed: 3 }).summary(NOW);
    const limits = { activeDeadlineSeconds: 1, maxGpuHours: 0.001, maxRounds: 1 };
    assert.equal(
      outcomeOf(given(limits, { activeSeconds: 9, gpuSeconds: 9 }, {}, { progress: all })).policy,
      'publish',
    );
  });

  test('of which none is set bound nothing', () => {
    const usage = { activeSeconds: 1e9, gpuSeconds: 1e9, rounds: 1000 };
    assert.equal(outcomeOf(given({}, usage)).policy, 'generating');
  });
});

describe('the budget of a dataset', () => {
  const withBudget = (maxGpuHours: number): SyntheticDataset =>
    smallDataset((spec) => {
      spec.output.uri = 's3://c/small';
      spec.workers = { ...spec.workers, gpus: 1 };
      spec.limits = { maxGpuHours };
      spec.training = { labels: ['edema'], stages: [{ name: 'pretrain', type: 'Pretrain' }] };
    });
  const training = { gpus: 4, gpuSeconds: 7200 };

  test('counts what training has used before more images are made, and says how much went where', () => {
    const dataset = withBudget(10);
    const job = jobOf('workers', { dataset });
    const at = (gpuSeconds: number) => ({
      ...given({}, { gpuSeconds, training }),
      ...{ parsed: { dataset }, jobs: [job] },
    });
    assert.deepEqual([outcomeOf(at(28_770)).policy, outcomeOf(at(28_770)).requeueAfter], ['generating', 30]);
    const over = outcomeOf(at(28_800));
    assert.deepEqual([over.reason, over.done], ['BudgetSpent', ['deleteJob small-workers-1']]);
    assert.match(
      over.message,
      /^Workers have used 8\.00 GPU-hours and training 2\.00, and spec\.limits\.maxGpuHours is 10: /,
    );
  });

  test('ends stages that run, begins none, and lets them resume when it is raised', () => {
    const running: JobView = { ...jobOf('workers'), name: 'small-pretrain-1', role: 'train', stage: 'pretrain' };
    const manifest = { uri: 's3://c/small/dataset.json', sha256: DIGEST };
    const at = (maxGpuHours: number, jobs: JobView[]) => {
      const dataset = withBudget(maxGpuHours);
      const usage = used({ workers: 0, gpus: 0, gpuSeconds: 28_800, training });
      return observed({ parsed: { dataset }, status: { manifest, usage }, jobs });
    };
    const over = decide(at(10, [running]), SETTINGS);
    assert.deepEqual(over.stepStatus?.at, 'Trained');
    assert.deepEqual([over.policy, over.stepStatus?.reason], ['limitReached', 'BudgetSpent']);
    assert.deepEqual(
      over.actions.map((action) => ('event' in action ? action.event : action.type)),
      ['Removed Job small-pretrain-1: BudgetSpent'],
    );
    assert.deepEqual(
      over.stages?.map(({ name, state }) => `${name} ${state}`),
      ['pretrain Pending'],
    );
    assert.deepEqual(decide(at(10, []), SETTINGS).actions, []);
    assert.match(JSON.stringify(decide(at(11, []), SETTINGS).actions), /"name":"small-pretrain-1"/);
    // Publishing needs no GPU, and comes before.
    const whole = progressOf({ planned: true, committed: 3 }).summary(NOW);
    assert.equal(
      decide({ ...at(10, []), status: { usage: used({ training }) }, progress: whole }, SETTINGS).policy,
      'publish',
    );
  });
});
