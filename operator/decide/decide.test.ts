import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANNOTATIONS, FOREGROUND } from '../../contract/cluster.ts';
import type { ReasonName } from '../../contract/reasons.ts';
import type { KubeObject } from '../../kube/types.ts';
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
  waitingPod,
} from '../../test/support/observed.ts';
import type { Observed } from '../observed.ts';
import { decide } from './decide.ts';
import type { Action } from './decision.ts';

interface Case {
  readonly when: string;
  readonly given: Observed;
  readonly policy: string;
  /** As `describeAction` puts them. */
  readonly actions: readonly string[];
  readonly at?: string;
  readonly reason?: ReasonName;
  readonly says?: RegExp;
  readonly requeueAfter?: number;
}

const describeAction = (action: Action): string => {
  if (action.type === 'apply') {
    const { suspend, parallelism } = (action.object.spec ?? {}) as { suspend?: boolean; parallelism?: number };
    const more = action.object.kind === 'Job' ? ` x${parallelism}${suspend ? ' suspended' : ''}` : '';
    const name = action.object.kind === 'ConfigMap' ? '' : ` ${action.object.metadata.name}`;
    return `apply ${action.object.kind}${name}${more}`;
  }
  return action.type === 'deleteJob' ? `delete ${action.name}` : action.type;
};

const planned = progressOf({ planned: true, committed: 1 }).summary(NOW);
const committed = progressOf({ planned: true, committed: 3 }).summary(NOW);
/** A plan was announced, and then another one turned out to be the accepted one. */
const acceptedOf = (digest: string) => {
  const progress = progressOf({ planned: true, committed: 1 });
  progress.accept({ digest });
  return progress.summary(NOW);
};
const contradictedOf = () => {
  const progress = progressOf({ planned: true, committed: 1 });
  progress.addPlan({ planDigest: 'c'.repeat(64), samples: 24, shards: 3, cells: [] });
  return progress.summary(NOW);
};
const workers = jobOf('workers');
const publish = jobOf('publish');
const withWorkers = (change: Partial<ReturnType<typeof smallDataset>['spec']['workers']>, suspend = false) => {
  const dataset = smallDataset();
  return { ...dataset, spec: { ...dataset.spec, suspend, workers: { ...dataset.spec.workers, ...change } } };
};
const outcome = (reason: ReasonName, message: string) => ({
  apiVersion: 'cohortfarm.dev/outcome/v1' as const,
  reason,
  message,
});
const published = {
  planDigest: DIGEST,
  manifest: { uri: 's3://c/small/dataset.json', sha256: 'b'.repeat(64) },
  samples: { wanted: 24, accepted: 24, exhausted: 0, attempts: 30 },
};
const publishedStatus = {
  planDigest: DIGEST,
  manifest: published.manifest,
  samples: published.samples,
  conditions: [
    {
      type: 'Published' as const,
      status: 'True' as const,
      observedGeneration: 1,
      lastTransitionTime: '',
      reason: 'Published',
      message: '',
    },
  ],
};
const pods = (change: Partial<Observed['pods']>) => ({ waiting: [], failed: [], succeeded: [], present: 0, ...change });

const CASES: readonly Case[] = [
  {
    when: 'nothing is there yet',
    given: observed(),
    policy: 'startWorkers',
    actions: ['ensureQueue', 'apply ConfigMap', 'apply Job small-workers-1 x1'],
    at: 'Accepted',
    reason: 'Starting',
  },
  {
    when: 'the quota cannot be met',
    given: observed({ parsed: { issues: [{ path: 'spec.quota.minPerCell', message: 'is too much' }] } }),
    policy: 'invalid',
    actions: [],
    at: 'Accepted',
    reason: 'SpecInvalid',
    says: /^spec\.quota\.minPerCell: is too much$/,
  },
  {
    when: 'the queue cannot be reached, no workers are started',
    given: observed({ queue: { state: 'unreachable', message: 'nothing listens at nats://nats:4222' } }),
    policy: 'awaitQueue',
    actions: [],
    reason: 'QueueUnavailable',
    says: /nats:\/\/nats:4222/,
    requeueAfter: 10,
  },
  {
    when: 'workers start and have told no plan',
    given: observed({ jobs: [workers], queue: filledQueue(0, { filledFor: null }) }),
    policy: 'generating',
    actions: [],
    at: 'Accepted',
    reason: 'Starting',
  },
  {
    when: 'the plan has been told, the queue is filled',
    given: observed({ jobs: [workers], queue: filledQueue(0, { filledFor: null }), progress: planned }),
    policy: 'generating',
    actions: ['fillQueue'],
    at: 'Generated',
    reason: 'Generating',
    says: /8 of 24 images in 1 of 3 shards; 1 workers run/,
  },
  {
    when: 'the queue has lost its disk, it is created again and filled',
    given: observed({ jobs: [workers], queue: { state: 'missing' }, progress: planned }),
    policy: 'generating',
    actions: ['ensureQueue', 'fillQueue'],
  },
  {
    when: 'all is well',
    given: observed({ jobs: [workers], queue: filledQueue(2), progress: planned }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
  },
  {
    when: 'the number of workers was changed',
    given: observed({
      parsed: { dataset: withWorkers({ replicas: 5 }) },
      jobs: [workers],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    // There are no more shards left.
    actions: ['apply Job small-workers-1 x2'],
  },
  {
    when: 'the pods are to be others',
    given: observed({
      parsed: { dataset: withWorkers({ image: 'other' }) },
      jobs: [workers],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'startWorkers',
    actions: ['delete small-workers-1', 'apply ConfigMap', 'apply Job small-workers-2 x1'],
  },
  {
    when: 'no node can take the pods',
    given: observed({
      jobs: [jobOf('workers', { ready: 0 })],
      pods: pods({ waiting: [waitingPod(workers)] }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: [],
    at: 'Accepted',
    reason: 'Unschedulable',
    says: /^Pod small-workers-1-0-abcde: no node can take it$/,
    requeueAfter: 10,
  },
  {
    when: 'some pods run and others wait, work goes on and says so',
    given: observed({
      jobs: [jobOf('workers', { active: 3, ready: 1 })],
      pods: pods({ waiting: [waitingPod(workers)] }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /2 pods are not running yet \(Unschedulable: no node can take it\)/,
  },
  {
    when: 'the node of the only worker is lost',
    given: observed({
      jobs: [jobOf('workers', { active: 0, ready: 0, terminating: 1 })],
      pods: pods({ waiting: [waitingPod(workers, { reason: 'NodeLost', message: 'remove its node' })] }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'NodeLost',
    says: /^Pod small-workers-1-0-abcde: remove its node$/,
    requeueAfter: 10,
  },
  {
    when: 'the node of one worker of two is lost, work goes on and says so',
    given: observed({
      jobs: [jobOf('workers', { terminating: 1 })],
      pods: pods({ waiting: [waitingPod(workers, { reason: 'NodeLost', message: 'remove its node' })] }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /pod small-workers-1-0-abcde: remove its node$/,
    requeueAfter: 10,
  },
  {
    when: 'a node is drained, nobody is told to remove it',
    given: observed({
      jobs: [jobOf('workers', { active: 2, ready: 1, terminating: 1 })],
      pods: pods({ waiting: [waitingPod(workers, { reason: 'NodeLost', since: NOW + 100_000 })] }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /1 pods are not running yet$/,
  },
  {
    when: 'a worker that is scaled away finishes its part, nobody hears of its node',
    given: observed({
      jobs: [jobOf('workers', { terminating: 1 })],
      pods: pods({ waiting: [waitingPod(workers, { reason: 'NodeLost', since: NOW + 600_000 })] }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /1 workers run$/,
  },
  {
    when: 'A4: all pods are refused',
    given: observed({
      jobs: [jobOf('workers', { active: 0, ready: 0, missing: 2 })],
      pods: pods({
        waiting: [waitingPod(workers, { pod: null, reason: 'PodsRefused', message: '2 of 2 pods are refused: quota' })],
      }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: [],
    reason: 'PodsRefused',
    says: /^2 of 2 pods are refused: quota$/,
    requeueAfter: 10,
  },
  {
    when: 'A4: some pods are refused, the others work',
    given: observed({
      jobs: [jobOf('workers', { missing: 12 })],
      pods: pods({
        waiting: [
          waitingPod(workers, { pod: null, reason: 'PodsRefused', message: '12 of 16 pods are refused: quota' }),
        ],
      }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /1 workers run; 12 of 16 pods are refused: quota$/,
    requeueAfter: 10,
  },
  {
    when: 'A19: pods miss their ConfigMap, which is made again',
    given: observed({
      jobs: [jobOf('workers', { ready: 0 })],
      pods: pods({ waiting: [waitingPod(workers, { reason: 'ConfigMissing', message: 'configmap not found' })] }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: ['apply ConfigMap'],
    reason: 'ConfigMissing',
  },
  {
    when: 'a pod has just begun to wait',
    given: observed({
      jobs: [jobOf('workers', { ready: 0 })],
      pods: pods({ waiting: [waitingPod(workers, { since: NOW - 1000 })] }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: [],
    reason: 'Starting',
  },
  {
    when: 'pods fail again and again because the store is away',
    given: observed({
      jobs: [jobOf('workers', { failed: 2 })],
      pods: pods({ failed: [failedPod(workers, { exitCode: 75, outcome: outcome('StoreUnavailable', 'no S3') })] }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: [],
    reason: 'StoreUnavailable',
    says: /^no S3$/,
  },
  {
    when: 'a pod failed, but work has gone on since',
    given: observed({
      jobs: [jobOf('workers', { failed: 1 })],
      pods: pods({
        failed: [failedPod(workers, { endedAt: NOW - 5000, outcome: outcome('StoreUnavailable', 'no S3') })],
      }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
  },
  {
    when: 'one pod was killed and its replacement runs',
    given: observed({
      jobs: [jobOf('workers', { failed: 1 })],
      pods: pods({ failed: [failedPod(workers, { exitCode: 137 })] }),
      queue: filledQueue(3),
    }),
    policy: 'generating',
    actions: [],
    reason: 'Starting',
  },
  {
    when: 'the bucket is missing, the next round waits',
    given: observed({
      jobs: [jobOf('workers', { state: 'failed' })],
      pods: pods({ failed: [failedPod(workers, { outcome: outcome('BucketNotFound', 'create it') })] }),
      queue: filledQueue(0, { filledFor: null }),
    }),
    policy: 'awaitRound',
    actions: [],
    at: 'Accepted',
    reason: 'BucketNotFound',
    says: /^create it$/,
    requeueAfter: 9,
  },
  {
    when: 'the pause after a failure is over',
    given: observed({
      jobs: [jobOf('workers', { state: 'failed', endedAt: NOW - 11_000 })],
      pods: pods({ failed: [failedPod(workers, { outcome: outcome('BucketNotFound', 'create it') })] }),
      queue: filledQueue(0, { filledFor: null }),
    }),
    policy: 'startWorkers',
    actions: ['apply ConfigMap', 'apply Job small-workers-2 x1'],
  },
  {
    when: 'pauses grow from round to round',
    given: observed({ jobs: [jobOf('workers', { state: 'failed', round: 4, endedAt: NOW })], queue: filledQueue(3) }),
    policy: 'awaitRound',
    actions: [],
    reason: 'PodFailed',
    requeueAfter: 80,
  },
  {
    when: 'a sample is exhausted, no further round can help',
    given: observed({
      jobs: [jobOf('workers', { state: 'failed', endedAt: NOW - 900_000 })],
      pods: pods({
        failed: [failedPod(workers, { exitCode: 3, outcome: outcome('SamplesExhausted', 'cell x, gate sex') })],
      }),
      queue: filledQueue(3),
      progress: planned,
    }),
    policy: 'failedPermanently',
    actions: [],
    at: 'Generated',
    reason: 'SamplesExhausted',
  },
  {
    when: 'workers have left while a shard of a dead one was not available yet',
    given: observed({
      jobs: [jobOf('workers', { state: 'complete', endedAt: NOW - 30_000 })],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'startWorkers',
    actions: ['apply ConfigMap', 'apply Job small-workers-2 x1'],
  },
  {
    when: 'shards are missing that the queue thinks done',
    given: observed({
      jobs: [jobOf('workers', { state: 'complete', endedAt: NOW - 30_000 })],
      queue: filledQueue(0),
      progress: planned,
    }),
    policy: 'startWorkers',
    actions: ['remakeQueue', 'fillQueue', 'apply ConfigMap', 'apply Job small-workers-2 x1'],
  },
  {
    when: 'a shard was delivered too often',
    given: observed({
      jobs: [jobOf('workers', { state: 'complete', endedAt: NOW })],
      queue: filledQueue(2, { parked: 1 }),
      progress: planned,
    }),
    policy: 'awaitRound',
    actions: [],
    reason: 'ShardUndeliverable',
  },
  {
    when: 'its deliveries are counted from zero in the next round',
    given: observed({
      jobs: [jobOf('workers', { state: 'complete', endedAt: NOW - 30_000 })],
      queue: filledQueue(2, { parked: 1 }),
      progress: planned,
    }),
    policy: 'startWorkers',
    actions: ['resetConsumer', 'apply ConfigMap', 'apply Job small-workers-2 x1'],
  },
  {
    when: 'the model has changed since the plan was accepted',
    given: observed({
      jobs: [workers],
      queue: filledQueue(2),
      status: { planDigest: 'c'.repeat(64) },
      progress: acceptedOf('c'.repeat(64)),
    }),
    policy: 'generating',
    actions: [],
    reason: 'PlanChanged',
    says: /another dataset/,
  },
  {
    when: 'H4: the queue holds a plan that contradicts the accepted one',
    given: observed({
      jobs: [workers],
      queue: filledQueue(2),
      status: { planDigest: DIGEST },
      progress: contradictedOf(),
    }),
    policy: 'generating',
    actions: [],
    reason: 'Generating',
    says: /; a worker announced plan cccccccccccc, which contradicts the accepted one and was ignored$/,
  },
  {
    when: 'H4: nothing but such a plan is known, and the queue is lost',
    given: observed({
      jobs: [workers],
      queue: { state: 'missing' },
      status: { planDigest: 'c'.repeat(64) },
      progress: acceptedOf('c'.repeat(64)),
    }),
    policy: 'generating',
    actions: ['ensureQueue'],
    reason: 'PlanChanged',
  },
  {
    when: 'former rounds are in the way',
    given: observed({
      jobs: [
        jobOf('workers', { round: 1, state: 'failed' }),
        jobOf('workers', { round: 2, state: 'failed' }),
        jobOf('workers', { round: 3 }),
      ],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: ['delete small-workers-1'],
  },
  {
    when: 'it is suspended',
    given: observed({
      parsed: { dataset: withWorkers({}, true) },
      jobs: [workers],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'suspended',
    actions: ['apply Job small-workers-1 x1 suspended'],
    at: 'Generated',
    reason: 'Suspended',
    requeueAfter: 5,
  },
  {
    when: 'it is suspended where Kueue admits Jobs',
    given: observed({
      parsed: { dataset: withWorkers({ queueName: 'gpus' }, true) },
      jobs: [workers],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'suspended',
    actions: ['delete small-workers-1'],
  },
  {
    when: 'it is resumed',
    given: observed({
      jobs: [jobOf('workers', { suspended: true, active: 0, ready: 0 })],
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'generating',
    actions: ['apply Job small-workers-1 x1'],
    reason: 'Generating',
  },
  {
    when: 'Kueue has not admitted the Job yet',
    given: observed({
      parsed: { dataset: withWorkers({ queueName: 'gpus' }) },
      jobs: [jobOf('workers', { dataset: withWorkers({ queueName: 'gpus' }), suspended: true, active: 0, ready: 0 })],
      queue: filledQueue(0, { filledFor: null }),
    }),
    policy: 'generating',
    actions: [],
    reason: 'AwaitingAdmission',
    says: /queue gpus/,
  },
  {
    when: 'every shard is committed',
    given: observed({ jobs: [workers], queue: filledQueue(0), progress: committed }),
    policy: 'publish',
    actions: ['apply ConfigMap', 'apply Job small-publish-1 x1'],
    at: 'Published',
    reason: 'Publishing',
  },
  {
    when: 'the publish pod works, whatever progress says',
    given: observed({ jobs: [jobOf('workers', { state: 'complete' }), publish], queue: { state: 'missing' } }),
    policy: 'publishing',
    actions: [],
    at: 'Published',
    reason: 'Publishing',
  },
  {
    when: 'A12: the publish pod reports how far it is',
    given: observed({
      jobs: [jobOf('workers', { state: 'complete' }), publish],
      queue: filledQueue(0),
      progress: { ...committed, steps: [{ done: 1200, all: 4000, secondsLeft: 719.5 }] },
    }),
    policy: 'publishing',
    actions: [],
    at: 'Published',
    reason: 'Publishing',
    says: /checks them and writes the manifest: 1,200 of 4,000, 12 min left$/,
  },
  {
    when: 'the publish pod has succeeded',
    given: observed({
      jobs: [workers, jobOf('publish', { state: 'complete' })],
      pods: pods({ succeeded: [{ job: publish.name, outcome: { ...outcome('Published', 'done'), published } }] }),
      queue: filledQueue(0),
      progress: committed,
    }),
    policy: 'published',
    actions: [],
    at: 'Trained',
    requeueAfter: 0,
  },
  {
    when: 'the pod that knew what was published is gone',
    given: observed({
      jobs: [workers, jobOf('publish', { state: 'complete' })],
      queue: filledQueue(0),
      progress: committed,
    }),
    policy: 'publishAgain',
    actions: ['delete small-publish-1'],
  },
  {
    when: 'records have been removed behind our back',
    given: observed({
      jobs: [workers, jobOf('publish', { state: 'failed' })],
      pods: pods({
        failed: [failedPod(publish, { exitCode: 75, outcome: outcome('ShardsMissing', '1 of 3 shards') })],
      }),
      queue: filledQueue(0),
      progress: committed,
    }),
    policy: 'regenerate',
    actions: ['removeQueue', 'delete small-publish-1'],
    at: 'Generated',
  },
  {
    when: 'the dataset is published',
    given: observed({
      status: publishedStatus,
      jobs: [jobOf('workers', { state: 'complete' }), jobOf('publish', { state: 'complete' })],
      queue: filledQueue(0),
    }),
    policy: 'finished',
    actions: ['removeQueue'],
    at: 'done',
    reason: 'Complete',
  },
  {
    when: 'some samples were exhausted, which the spec allows',
    given: observed({ status: { ...publishedStatus, samples: { ...published.samples, accepted: 22, exhausted: 2 } } }),
    policy: 'finished',
    actions: [],
    at: 'done',
    reason: 'Shortfall',
    says: /22 of 24 images/,
  },
  {
    when: 'the Jobs of a finished dataset have been kept long enough',
    given: observed({
      parsed: { dataset: { ...smallDataset(), spec: { ...smallDataset().spec, ttlSecondsAfterFinished: 60 } } },
      status: publishedStatus,
      jobs: [
        jobOf('workers', { state: 'complete', endedAt: NOW - 90_000 }),
        jobOf('publish', { state: 'complete', endedAt: NOW - 61_000 }),
      ],
    }),
    policy: 'finished',
    actions: ['delete small-workers-1', 'delete small-publish-1'],
  },
  {
    when: 'it is being deleted, pods stop first',
    given: observed({
      owner: { ...OWNER, deleting: true },
      jobs: [workers],
      pods: pods({ present: 1 }),
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'stopPods',
    actions: ['delete small-workers-1'],
    reason: 'Deleting',
    requeueAfter: 2,
  },
  {
    when: 'its pods are gone and objects are retained',
    given: observed({ owner: { ...OWNER, deleting: true }, queue: filledQueue(2), progress: planned }),
    policy: 'leave',
    actions: ['removeQueue', 'removeFinalizer'],
  },
  {
    when: 'its objects are to go, too',
    given: observed({
      owner: { ...OWNER, deleting: true },
      parsed: { dataset: { ...smallDataset(), spec: { ...smallDataset().spec, deletionPolicy: 'Delete' } } },
      queue: filledQueue(2),
      progress: planned,
    }),
    policy: 'cleanup',
    actions: ['apply ConfigMap', 'apply Job small-cleanup-1 x1'],
    reason: 'Deleting',
  },
  {
    when: 'A2: Retain is a way out of a cleanup that cannot finish',
    given: observed({
      owner: { ...OWNER, deleting: true },
      queue: filledQueue(2),
      progress: planned,
      jobs: [jobOf('cleanup', { active: 1, ready: 0 })],
    }),
    policy: 'stopPods',
    actions: ['delete small-cleanup-1'],
    reason: 'Deleting',
  },
  {
    when: 'A3: it is being deleted while the queue cannot be reached, it goes all the same',
    given: observed({
      owner: { ...OWNER, deleting: true },
      queue: { state: 'unreachable', message: 'NATS is gone' },
      progress: planned,
    }),
    policy: 'leave',
    actions: ['removeFinalizer'],
  },
];

describe('what is decided when', () => {
  for (const { when, given, policy, actions, at, reason, says, requeueAfter } of CASES) {
    test(when, () => {
      const decision = decide(given, SETTINGS);
      assert.equal(decision.policy, policy);
      assert.deepEqual(decision.actions.map(describeAction), actions);
      if (at !== undefined) assert.equal(decision.stepStatus?.at, at);
      if (reason !== undefined) assert.equal(decision.stepStatus?.reason, reason);
      if (says !== undefined) assert.match(decision.stepStatus?.message ?? '', says);
      if (requeueAfter !== undefined) assert.equal(decision.requeueAfter, requeueAfter);
    });
  }
});

test('A27: of a dataset that is deleted in the foreground no cleanup is made before the cluster lets it live', () => {
  const dataset = smallDataset((spec) => {
    spec.deletionPolicy = 'Delete';
  });
  const owner = { ...OWNER, deleting: true, finalizers: [FOREGROUND, ...OWNER.finalizers] };
  const given = observed({ owner, parsed: { dataset }, status: { planDigest: DIGEST } });
  assert.deepEqual(decide(given, SETTINGS).actions, [{ type: 'leaveForeground' }]);
  const background = decide({ ...given, owner: { ...owner, finalizers: OWNER.finalizers } }, SETTINGS);
  assert.deepEqual(background.policy, 'cleanup');
  // What keeps its objects needs no pod.
  const kept = decide({ ...given, parsed: { dataset: smallDataset() } }, SETTINGS);
  assert.deepEqual(kept.policy, 'leave');
});

test('A2: a cleanup pod that cannot start is reported as what it is', () => {
  const given = observed({
    owner: { ...OWNER, deleting: true },
    parsed: { dataset: { ...smallDataset(), spec: { ...smallDataset().spec, deletionPolicy: 'Delete' } } },
    queue: filledQueue(2),
    progress: planned,
  });
  const created = decide(given, SETTINGS).actions.find(
    (action) => action.type === 'apply' && action.object.kind === 'Job',
  );
  const { annotations } = (created as { object: KubeObject }).object.metadata;
  const job = {
    ...jobOf('cleanup', { active: 1, ready: 0 }),
    templateDigest: annotations![ANNOTATIONS.template]!,
    renderedDigest: annotations![ANNOTATIONS.rendered]!,
  };
  const waiting = { pod: 'p', reason: 'CredentialsMissing', message: 'no Secret', pods: 1, since: 0 } as const;
  const { policy, stepStatus } = decide(
    { ...given, jobs: [job], pods: pods({ waiting: [{ ...waiting, job: job.name }] }) },
    SETTINGS,
  );
  assert.deepEqual([policy, stepStatus?.reason], ['cleaningUp', 'CredentialsMissing']);
});
