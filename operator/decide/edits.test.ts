import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReasonName } from '../../contract/reasons.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import type { KubeObject, Stored } from '../../kube/types.ts';
import { smallDataset } from '../../test/support/dataset.ts';
import {
  DIGEST,
  failedPod,
  filledQueue,
  jobOf,
  NOW,
  OWNER,
  observed,
  progressOf,
  SETTINGS,
} from '../../test/support/observed.ts';
import { buildSingle, buildWorkers, type DesiredJob } from '../desired/job.ts';
import { createParser } from '../observe/observe.ts';
import type { JobView, Observed } from '../observed.ts';
import { nextStatus } from '../status.ts';
import { decide } from './decide.ts';
import { mustBeReplaced } from './predicates.ts';

/** The effects of an edit of a resource, and what it leaves alone. */

type Change = NonNullable<Parameters<typeof smallDataset>[0]>;

const OUTPUT = 's3://cohorts/small';
const atOutput: Change = (spec) => {
  spec.output.uri = OUTPUT;
};
const samples = { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 };
const manifest = { uri: `${OUTPUT}/dataset.json`, sha256: 'b'.repeat(64) };

const conditionsOf = (status: DatasetStatus | null) =>
  Object.fromEntries((status?.conditions ?? []).map(({ type, status: value, reason }) => [type, `${value} ${reason}`]));

/** The status after a reconcile. */
const statusAfter = (given: Observed): DatasetStatus => nextStatus(given, decide(given, SETTINGS))!;

const outcome = (reason: ReasonName, rest: object = {}) => ({
  apiVersion: 'cohortfarm.dev/outcome/v1' as const,
  reason,
  message: reason,
  ...rest,
});
const pods = (change: Partial<Observed['pods']>) => ({ waiting: [], failed: [], succeeded: [], present: 0, ...change });

/** A dataset that is done, of which only the status is left: Jobs and progress are gone. */
function finished(dataset = smallDataset(atOutput)): Observed {
  const published = observed({ parsed: { dataset }, status: { planDigest: DIGEST, samples, manifest } });
  return { ...published, status: statusAfter(published) };
}

const isApplied = (kind: string, given: Observed) =>
  decide(given, SETTINGS).actions.some((action) => action.type === 'apply' && action.object.kind === kind);

describe('A17: what is done is remembered', () => {
  const issues = [{ path: 'spec.training.ageBins', message: 'overlap' }];

  test('an invalid edit of a finished dataset leaves it published, and names the fault', () => {
    const status = statusAfter({ ...finished(), parsed: { issues } });
    assert.deepEqual(conditionsOf(status), {
      Ready: 'False SpecInvalid',
      Reconciling: 'False SpecInvalid',
      Stalled: 'True SpecInvalid',
      Accepted: 'False SpecInvalid',
      Generated: 'True Generated',
      Published: 'True Published',
      Trained: 'True NoStages',
    });
    assert.deepEqual(status.manifest, manifest);
  });

  test('once the fault is corrected nothing is started again', () => {
    const broken = { ...finished(), parsed: { issues } };
    const corrected = { ...finished(), status: statusAfter(broken) };
    const decision = decide(corrected, SETTINGS);
    assert.deepEqual([decision.policy, decision.actions], ['finished', []]);
    assert.equal(conditionsOf(nextStatus(corrected, decision)).Ready, 'True Complete');
  });

  test('a status of which a former version has erased the condition is as good', () => {
    const { status } = finished();
    const erased = status.conditions!.map((one) => ({ ...one, status: 'Unknown' as const, reason: 'Pending' }));
    const given = { ...finished(), status: { ...status, conditions: erased } };
    assert.equal(decide(given, SETTINGS).policy, 'finished');
    assert.equal(conditionsOf(statusAfter(given)).Published, 'True Published');
  });

  test('a dataset that is being deleted stays published until it is gone', () => {
    const given = {
      ...finished(),
      owner: { ...OWNER, deleting: true },
      jobs: [jobOf('publish', { state: 'complete' })],
    };
    const conditions = conditionsOf(statusAfter(given));
    assert.deepEqual([conditions.Ready, conditions.Published], ['False Deleting', 'True Published']);
  });
});

describe('A6: onExhausted may change at any time', () => {
  const failing = smallDataset(atOutput);
  const tolerant = smallDataset((spec) => {
    atOutput(spec);
    spec.quality = { ...spec.quality, onExhausted: 'Shortfall' };
  });
  const withheld = (dataset: typeof failing) => {
    const job = jobOf('publish', { dataset: failing, state: 'failed' });
    return observed({
      parsed: { dataset },
      status: { planDigest: DIGEST },
      jobs: [job],
      pods: pods({ failed: [failedPod(job, { exitCode: 3, outcome: outcome('SamplesExhausted') })] }),
      queue: filledQueue(0),
      progress: progressOf({ planned: true, committed: 3 }).summary(NOW),
    });
  };

  test('Fail withholds publication and waits for a person, with every shard committed', () => {
    const given = withheld(failing);
    const decision = decide(given, SETTINGS);
    assert.deepEqual([decision.policy, decision.actions, decision.requeueAfter], ['publishFailed', [], undefined]);
    const conditions = conditionsOf(nextStatus(given, decision));
    assert.deepEqual(
      [conditions.Generated, conditions.Published, conditions.Stalled],
      ['True Generated', 'False SamplesExhausted', 'True SamplesExhausted'],
    );
  });

  test('Shortfall publishes what is there, at once and without a worker', () => {
    const { policy, actions } = decide(withheld(tolerant), SETTINGS);
    const jobs = actions.flatMap((action) =>
      action.type === 'apply' && action.object.kind === 'Job' ? [action.object.metadata.name] : [],
    );
    assert.deepEqual([policy, jobs], ['publish', ['small-publish-2']]);
  });

  test('an edit in either direction replaces no worker, and changes nothing that is published', () => {
    for (const [before, after] of [
      [failing, tolerant],
      [tolerant, failing],
    ] as const) {
      const given = observed({
        parsed: { dataset: after },
        jobs: [jobOf('workers', { dataset: before })],
        queue: filledQueue(2),
        progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
      });
      assert.deepEqual([decide(given, SETTINGS).policy, decide(given, SETTINGS).actions], ['generating', []]);
      assert.equal(decide(finished(after), SETTINGS).policy, 'finished');
    }
  });

  test('while it grows, the status says that publication will be withheld', () => {
    const progress = progressOf({ planned: true, committed: 1 });
    progress.addShard(
      {
        planDigest: DIGEST,
        shard: 1,
        cells: [{ cell: 0, accepted: 7, exhausted: 1, attempts: 15, rejected: { sex: 8 } }],
      },
      NOW,
    );
    const messageOf = (dataset: typeof failing) =>
      decide(
        observed({
          parsed: { dataset },
          jobs: [jobOf('workers', { dataset })],
          queue: filledQueue(1),
          progress: progress.summary(NOW),
        }),
        SETTINGS,
      ).stepStatus?.message ?? '';
    assert.match(
      messageOf(failing),
      /; 1 samples failed every attempt, .* wait for spec\.quality\.onExhausted: Shortfall$/,
    );
    assert.doesNotMatch(messageOf(tolerant), /every attempt/);
  });
});

describe('A9: publication annotations are read fresh and restart nothing', () => {
  const object = (annotations: Record<string, string>): Stored =>
    ({
      apiVersion: 'cohortfarm.dev/v1alpha1',
      kind: 'SyntheticDataset',
      metadata: {
        name: 'small',
        namespace: 'research',
        uid: 'uid-1',
        resourceVersion: '1',
        generation: 1,
        annotations,
      },
      spec: structuredClone(smallDataset(atOutput).spec) as unknown as KubeObject['spec'],
    }) as Stored;
  const license = { 'cohortfarm.dev/license': 'CC-BY-4.0' };
  const parse = () => {
    const parser = createParser();
    return (annotations: Record<string, string>) => {
      const parsed = parser.parse(object(annotations));
      assert.ok('dataset' in parsed);
      return parsed.dataset;
    };
  };

  test('a license that was added within a generation is seen, and other annotations cost no new parse', () => {
    const read = parse();
    const first = read({});
    assert.equal(read({ 'kubectl.kubernetes.io/last-applied-configuration': '{}' }), first);
    assert.deepEqual(read(license).metadata.annotations, license);
  });

  test('it reaches the publish pod, and leaves the workers as they are', () => {
    const read = parse();
    const [before, after] = [read({}), read(license)].map((dataset) => {
      const context = { owner: OWNER, dataset, settings: SETTINGS.pods };
      return { workers: buildWorkers(context, { round: 1, replicas: 1 }), publish: buildSingle(context, 'publish', 1) };
    });
    assert.deepEqual(after!.workers, before!.workers);
    assert.notEqual(after!.publish.templateDigest, before!.publish.templateDigest);
    const [file] = Object.values((after!.publish.needs[0] as unknown as { data: Record<string, string> }).data);
    assert.deepEqual(JSON.parse(file!).metadata.annotations, license);
  });

  test('while the publish pod runs, it is replaced, so that the card has the license', () => {
    const given = observed({ parsed: { dataset: parse()(license) }, jobs: [jobOf('publish')], queue: filledQueue(0) });
    const { policy, actions } = decide(given, SETTINGS);
    assert.equal(policy, 'publish');
    assert.deepEqual(actions[0], { type: 'deleteJob', kind: 'Job', name: 'small-publish-1' });
  });
});

describe('A26: places may change', () => {
  const moved = smallDataset((spec) => {
    spec.output.uri = 's3://archive/small';
  });
  const movedManifest = { ...manifest, uri: 's3://archive/small/dataset.json' };
  const publishJob = (change: Partial<JobView> = {}) => jobOf('publish', { dataset: moved, ...change });

  test('credentials, endpoint and another spelling of the place leave a finished dataset as it is', () => {
    const respelled = smallDataset((spec) => {
      spec.output.uri = `${OUTPUT}/`;
      spec.output.s3 = { endpoint: 'https://minio.example', credentialsSecretRef: { name: 'renamed' } };
    });
    assert.equal(decide({ ...finished(), parsed: { dataset: respelled } }, SETTINGS).policy, 'finished');
  });

  test('a finished dataset that was moved is looked for at the new place by a publish pod, not grown again', () => {
    const given = { ...finished(), parsed: { dataset: moved } };
    assert.equal(decide(given, SETTINGS).policy, 'publish');
    assert.equal(isApplied('Job', given), true);
    const found = outcome('Published', { published: { planDigest: DIGEST, manifest: movedManifest, samples } });
    const done = publishJob({ state: 'complete' });
    const next = { ...given, jobs: [done], pods: pods({ succeeded: [{ job: done.name, outcome: found }] }) };
    const status = statusAfter(next);
    assert.deepEqual(status.manifest, movedManifest);
    assert.equal(decide({ ...next, status }, SETTINGS).policy, 'finished');
  });

  test('the publish Job of the former place does not answer for the new one', () => {
    const former = jobOf('publish', { dataset: smallDataset(atOutput), state: 'complete' });
    const found = outcome('Published', { published: { planDigest: DIGEST, manifest, samples } });
    const given = {
      ...finished(),
      parsed: { dataset: moved },
      jobs: [former],
      pods: pods({ succeeded: [{ job: former.name, outcome: found }] }),
    };
    assert.equal(decide(given, SETTINGS).policy, 'publish');
    assert.equal(isApplied('Job', given), true);
  });

  test('a place without the dataset is a fault to correct, not a reason to generate it again', () => {
    const job = publishJob({ state: 'failed' });
    const given = {
      ...finished(),
      parsed: { dataset: moved },
      jobs: [job],
      pods: pods({ failed: [failedPod(job, { exitCode: 75, outcome: outcome('ShardsMissing') })] }),
    };
    const { policy, actions, stepStatus } = decide(given, SETTINGS);
    assert.deepEqual([policy, actions, stepStatus?.reason], ['publishFailed', [], 'DatasetDamaged']);
    assert.match(stepStatus!.message, /published as s3:\/\/cohorts\/small\/dataset\.json.*restore spec\.output\.uri$/);
    // What it was is what it is again.
    assert.equal(decide({ ...given, parsed: { dataset: smallDataset(atOutput) } }, SETTINGS).policy, 'finished');
  });
});

describe('A21: a new version of the installation', () => {
  const newer = { ...SETTINGS, pods: { ...SETTINGS.pods, workerImage: 'example.org/cohortfarm:2', logLevel: 'debug' } };
  const growing = (change: Partial<JobView>, spec?: Change): Observed => {
    const dataset = smallDataset(spec);
    const job = jobOf('workers', { parallelism: dataset.spec.workers.replicas, ...change });
    return observed({
      parsed: { dataset },
      jobs: [job],
      queue: filledQueue(2),
      progress: progressOf({ planned: true, committed: 1 }).summary(NOW),
    });
  };
  const jobsOf = (given: Observed) =>
    decide(given, newer).actions.flatMap((action) =>
      action.type === 'apply' && action.object.kind === 'Job' ? [action.object.metadata.name] : [],
    );

  test('leaves running workers alone', () => {
    assert.deepEqual(jobsOf(growing({ active: 1, ready: 1 })), []);
  });

  test('replaces workers of which none runs: their image may be what keeps them from it', () => {
    assert.deepEqual(jobsOf(growing({ active: 1, ready: 0 })), ['small-workers-2']);
  });

  test('leaves workers that wait for Kueue in their place', () => {
    const queued = growing(
      { active: 0, ready: 0, suspended: true, queueName: 'gpus', desiredQueue: 'gpus' },
      (spec) => {
        spec.workers!.queueName = 'gpus';
      },
    );
    assert.deepEqual(jobsOf(queued), []);
  });

  test('is taken with the next edit of a running Job, whose template cannot be applied any more', () => {
    const scaled = growing({ active: 1, ready: 1, parallelism: 1 }, (spec) => {
      spec.workers!.replicas = 2;
    });
    assert.deepEqual(jobsOf(scaled), ['small-workers-2']);
  });

  test('removes a running Job that is suspended, whose template cannot be applied any more', () => {
    const suspended = growing({ active: 1, ready: 1 }, (spec) => {
      spec.suspend = true;
    });
    const removed = decide(suspended, newer).actions.map(({ type }) => type);
    assert.deepEqual([jobsOf(suspended), removed], [[], ['deleteJob']]);
    const same = decide(suspended, SETTINGS).actions;
    assert.deepEqual(
      same.map((action) => action.type === 'apply' && action.object.kind),
      ['Job'],
    );
  });

  test('leaves a TrainJob alone of which a pod runs: none of its Jobs is ready while one of two pods restarts', () => {
    const of = { ...growing({ active: 1 }).jobs[0]!, renderedDigest: 'former', desiredQueue: '' };
    const desired = { templateDigest: of.templateDigest, renderedDigest: 'newer', queue: '' } as DesiredJob;
    const idle = { active: 1, ready: 0 };
    assert.equal(mustBeReplaced({ ...of, ...idle, kind: 'Job' }, desired), true);
    assert.equal(mustBeReplaced({ ...of, ...idle, kind: 'TrainJob' }, desired), false);
    assert.equal(mustBeReplaced({ ...of, active: 0, ready: 0, kind: 'TrainJob' }, desired), true);
  });
});
