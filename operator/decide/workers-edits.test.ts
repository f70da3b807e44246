import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReasonName } from '../../contract/reasons.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import { DIGEST, filledQueue, jobOf, NOW, OWNER, observed, progressOf, SETTINGS } from '../../test/support/observed.ts';
import { buildSingle, buildWorkers } from '../desired/job.ts';
import { buildStage } from '../desired/stage.ts';
import { jobView, trainJobView } from '../observe/jobs.ts';
import type { JobView, Observed } from '../observed.ts';
import { decide } from './decide.ts';
import { mustBeReplaced } from './predicates.ts';
import { stagesOf } from './training.ts';

/** The effects of an edit of `spec.workers` while Jobs run, with and without Kueue. */

const samples = { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 };
const manifest = { uri: 's3://cohorts/small/dataset.json', sha256: 'b'.repeat(64) };

const outcome = (reason: ReasonName, rest: object = {}) => ({
  apiVersion: 'cohortfarm.dev/outcome/v1' as const,
  reason,
  message: reason,
  ...rest,
});
const pods = (change: Partial<Observed['pods']>) => ({ waiting: [], failed: [], succeeded: [], present: 0, ...change });

describe('an edit of spec.workers', () => {
  const workersWith = (workers: object, suspend = false) =>
    smallDataset((spec) => {
      Object.assign(spec, { suspend, workers: { ...spec.workers, ...workers } });
    });
  const plain = workersWith({});
  const queued = workersWith({ queueName: 'gpus' });
  const growing = (dataset: typeof plain, job: JobView) =>
    observed({
      parsed: { dataset },
      jobs: [job],
      queue: filledQueue(2),
      progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
    });
  const removed = (given: Observed) =>
    decide(given, SETTINGS).actions.flatMap((action) => (action.type === 'deleteJob' ? [action.name] : []));
  const jobsApplied = (given: Observed) =>
    decide(given, SETTINGS).actions.flatMap((action) =>
      action.type === 'apply' && action.object.kind === 'Job' ? [action.object] : [],
    );

  test('A10: that suspends and changes the template removes the Job, which could not take it', () => {
    const given = growing(workersWith({ image: 'corrected' }, true), jobOf('workers', { dataset: plain }));
    assert.deepEqual(
      [decide(given, SETTINGS).policy, removed(given), jobsApplied(given)],
      ['suspended', ['small-workers-1'], []],
    );
  });

  test('A10: that suspends and names a queue, or no queue any more, leaves no Job to two masters', () => {
    for (const [before, after] of [
      [plain, workersWith({ queueName: 'gpus' }, true)],
      [queued, workersWith({}, true)],
    ] as const) {
      const given = growing(after, jobOf('workers', { dataset: before }));
      assert.deepEqual([removed(given), jobsApplied(given)], [['small-workers-1'], []]);
    }
  });

  test('A22: that resumes and names a queue makes a Job that Kueue can see', () => {
    const given = growing(queued, jobOf('workers', { dataset: plain, suspended: true, active: 0, ready: 0 }));
    const [job] = jobsApplied(given);
    assert.deepEqual(removed(given), ['small-workers-1']);
    assert.equal(job?.metadata.labels?.['kueue.x-k8s.io/queue-name'], 'gpus');
    assert.equal(job?.metadata.name, 'small-workers-2');
  });

  test('A22: that changes or removes the queue of running workers starts a round in the other', () => {
    for (const other of [workersWith({ queueName: 'spot' }), plain]) {
      const given = growing(other, jobOf('workers', { dataset: queued }));
      assert.deepEqual(removed(given), ['small-workers-1']);
      assert.equal(jobsApplied(given)[0]?.metadata.labels?.['kueue.x-k8s.io/queue-name'], other.spec.workers.queueName);
    }
    assert.deepEqual(removed(growing(queued, jobOf('workers', { dataset: queued }))), []);
  });

  test('A22: a Job that has the queue which it asked for, or which Kueue gave it, is left as it is', () => {
    const stage = {
      stages: [
        { name: 'pretrain', type: 'Pretrain' as const },
        { name: 'on-runtime', type: 'Pretrain' as const, runtimeRef: { name: 'r' } },
      ],
    };
    for (const queueName of [undefined, 'gpus']) {
      const dataset = smallDataset((spec) => {
        spec.training = { ...stage, labels: ['edema'] };
        if (queueName !== undefined) spec.workers = { queueName };
      });
      const context = { owner: OWNER, dataset, settings: SETTINGS.pods };
      const stages = stagesOf({ status: {}, parsed: { dataset } }).map(({ stage }) =>
        buildStage({ ...context, stage }, 1),
      );
      for (const desired of [
        buildWorkers(context, { round: 1, replicas: 1 }),
        buildSingle(context, 'publish', 1),
        ...stages,
      ]) {
        const view = desired.job.kind === 'Job' ? jobView : trainJobView;
        assert.equal(mustBeReplaced(view(desired.job)!, desired), false, desired.name);
        const labels = { ...desired.job.metadata.labels, 'kueue.x-k8s.io/queue-name': 'default' };
        const defaulted = view({ ...desired.job, metadata: { ...desired.job.metadata, labels } })!;
        assert.deepEqual([defaulted.queueName, mustBeReplaced(defaulted, desired)], ['default', false]);
      }
    }
    const defaulted = jobOf('workers', { dataset: plain, suspended: true, active: 0, ready: 0, queueName: 'default' });
    assert.deepEqual(jobsApplied(growing(plain, defaulted)), []);
    assert.equal(decide(growing(plain, defaulted), SETTINGS).stepStatus?.reason, 'AwaitingAdmission');
  });

  test('A22: a Job of a former version is replaced only where it is not in the queue that is wanted', () => {
    const former = (dataset: typeof plain) => {
      const { desiredQueue: _, ...job } = jobOf('workers', { dataset });
      return job;
    };
    const replaced = ([wanted, job]: readonly [typeof plain, JobView]) => removed(growing(wanted, job)).length;
    assert.deepEqual(
      (
        [
          [queued, former(plain)],
          [queued, former(queued)],
          [plain, former(plain)],
          [plain, former(queued)],
        ] as const
      ).map(replaced),
      [1, 0, 0, 0],
    );
  });

  describe('A13: under Kueue', () => {
    const many = (workers: object = {}) => workersWith({ queueName: 'gpus', replicas: 3, ...workers });
    const waits = { suspended: true, active: 0, ready: 0, replicas: 3 };
    /** A plan with more shards than workers. */
    const sized = (dataset: typeof plain, change: Partial<JobView>) =>
      growing(dataset, jobOf('workers', { dataset, round: 1, ...change }));
    const annotationsOf = (given: Observed) => jobsApplied(given).map(({ metadata }) => metadata.annotations ?? {});

    test('a Job that runs is never scaled, which would take away what Kueue has added to its pods: another follows it', () => {
      const given = sized(many({ replicas: 2 }), { parallelism: 3, replicas: 3, active: 3, ready: 3 });
      assert.deepEqual(removed(given), ['small-workers-1']);
      assert.deepEqual(
        jobsApplied(given).map(({ metadata }) => metadata.name),
        ['small-workers-2'],
      );
    });

    test('a Job that waits keeps its place in the queue when it is scaled', () => {
      const given = sized(many({ replicas: 2 }), { ...waits, parallelism: 3 });
      assert.deepEqual(removed(given), []);
      assert.deepEqual(
        jobsApplied(given).map(({ metadata, spec }) => [metadata.name, (spec as { parallelism: number }).parallelism]),
        [['small-workers-1', 2]],
      );
    });

    test('a Job that was admitted with fewer workers is left as it is, and says so', () => {
      const given = sized(many({ minReplicas: 1 }), { parallelism: 1, replicas: 3, minReplicas: 1 });
      assert.deepEqual(decide(given, SETTINGS).actions, []);
      assert.match(decide(given, SETTINGS).stepStatus!.message, /1 workers run; Kueue has admitted 1 of 3/);
    });

    test('a Job that waits is told with how few workers it may start', () => {
      const given = sized(many({ minReplicas: 1 }), { ...waits, parallelism: 3 });
      const [annotations] = annotationsOf(given);
      assert.equal(annotations?.['kueue.x-k8s.io/job-min-parallelism'], '1');
      assert.equal(annotations?.['kueue.x-k8s.io/job-completions-equal-parallelism'], 'true');
    });

    test('a Job that waits says why, in the words of Kueue', () => {
      const given = sized(many(), { ...waits, parallelism: 3, admission: 'insufficient quota for nvidia.com/gpu' });
      const { reason, message } = decide(given, SETTINGS).stepStatus!;
      assert.equal(reason, 'AwaitingAdmission');
      assert.match(message, /to admit it \(queue gpus\): insufficient quota for nvidia\.com\/gpu$/);
    });
  });

  test('A22: a publish Job that waits for Kueue says so, and what it has done is not done again in another queue', () => {
    const at = (change: Partial<JobView>) =>
      observed({
        parsed: { dataset: queued },
        jobs: [jobOf('publish', { dataset: queued, ...change })],
        queue: filledQueue(0),
      });
    const waiting = decide(at({ suspended: true, active: 0, ready: 0 }), SETTINGS);
    assert.equal(waiting.stepStatus?.reason, 'AwaitingAdmission');
    assert.match(waiting.stepStatus!.message, /small-publish-1 waits for Kueue to admit it \(queue gpus\)/);
    const done = jobOf('publish', { dataset: plain, state: 'complete' });
    const found = outcome('Published', { published: { planDigest: DIGEST, manifest, samples } });
    const given = { ...at({}), jobs: [done], pods: pods({ succeeded: [{ job: done.name, outcome: found }] }) };
    assert.equal(decide(given, SETTINGS).policy, 'published');
  });
});
