import { Progress } from '../../contract/account/progress.ts';
import { FINALIZER } from '../../contract/cluster.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { Settings } from '../../operator/decide/decision.ts';
import { buildSingle, buildWorkers, type DesiredJob } from '../../operator/desired/job.ts';
import type { FailedPod, JobView, Observed, PodProblem } from '../../operator/observed.ts';
import { smallDataset } from './dataset.ts';

/** Observations of one dataset, as tests need them: builders with modifiers. */

export const NOW = Date.parse('2026-01-02T03:04:05Z');
export const DIGEST = 'a'.repeat(64);
export const SETTINGS: Settings = {
  operatorClass: '',
  pods: { workerImage: 'cohortfarm/worker:test', trainerImage: 'cohortfarm/trainer:test', natsUrl: 'nats://nats:4222' },
};
export const OWNER = {
  namespace: 'research',
  name: 'small',
  uid: 'uid-1',
  resourceVersion: '7',
  generation: 1,
  finalizers: [FINALIZER],
  deleting: false,
};

/** A dataset that was just accepted by the API server, with a queue at hand and nothing begun. */
export function observed(change: Partial<Observed> = {}): Observed {
  return {
    now: NOW,
    owner: OWNER,
    parsed: { dataset: smallDataset() },
    status: {},
    jobs: [],
    pods: { waiting: [], failed: [], succeeded: [], present: 0 },
    queue: { state: 'missing' },
    progress: progressOf().summary(NOW),
    ...change,
  };
}

/** 24 samples in 3 shards of 2 cells, of which the first `committed` are done. */
export function progressOf({ planned = false, committed = 0, digest = DIGEST } = {}): Progress {
  const progress = new Progress();
  if (!planned) return progress;
  const cells = [
    { id: 'sex=female', wanted: 12 },
    { id: 'sex=male', wanted: 12 },
  ];
  progress.addPlan({ planDigest: digest, samples: 24, shards: 3, cells });
  for (let shard = 0; shard < committed; shard++) {
    const count = { accepted: 4, exhausted: 0, attempts: 5, rejected: { sex: 1 } };
    progress.addShard(
      {
        planDigest: digest,
        shard,
        cells: [
          { cell: 0, ...count },
          { cell: 1, ...count },
        ],
      },
      NOW - 1000,
    );
  }
  return progress;
}

export const filledQueue = (messages: number, rest: { parked?: number; filledFor?: string | null } = {}) => ({
  state: 'ready' as const,
  messages,
  available: messages - (rest.parked ?? 0),
  inFlight: 0,
  parked: rest.parked ?? 0,
  filledFor: rest.filledFor === undefined ? DIGEST : rest.filledFor,
});

interface JobChange extends Partial<JobView> {
  readonly dataset?: SyntheticDataset;
}

/** The Job as the operator would have made it, running well. */
export function jobOf(
  role: 'workers' | 'publish' | 'cleanup',
  { dataset = smallDataset(), ...change }: JobChange = {},
): JobView {
  const round = change.round ?? 1;
  const context = { owner: OWNER, dataset, settings: SETTINGS.pods };
  const replicas = dataset.spec.workers.replicas;
  const wanted: DesiredJob =
    role === 'workers' ? buildWorkers(context, { round, replicas }) : buildSingle(context, role, round);
  return {
    name: wanted.name,
    uid: `uid-${wanted.name}`,
    kind: 'Job',
    role,
    round,
    templateDigest: wanted.templateDigest,
    ...(wanted.queue !== '' && { queueName: wanted.queue }),
    desiredQueue: wanted.queue,
    renderedDigest: wanted.renderedDigest,
    state: 'running',
    suspended: false,
    parallelism: role === 'workers' ? replicas : 1,
    active: 1,
    ready: 1,
    terminating: 0,
    succeeded: 0,
    failed: 0,
    missing: 0,
    createdAt: NOW - 60_000,
    endedAt: change.state === 'complete' || change.state === 'failed' ? NOW - 1000 : null,
    failure: null,
    deleting: false,
    avoidedNodes: [],
    ...change,
  };
}

export const failedPod = (job: JobView, change: Partial<FailedPod> = {}): FailedPod => ({
  job: job.name,
  pod: `${job.name}-0-abcde`,
  node: 'node-a',
  exitCode: 78,
  outcome: null,
  containerReason: 'Error',
  endedAt: NOW - 1000,
  ...change,
});

export const waitingPod = (job: JobView, change: Partial<PodProblem> = {}): PodProblem => ({
  job: job.name,
  pod: `${job.name}-0-abcde`,
  reason: 'Unschedulable',
  message: 'no node can take it',
  pods: 1,
  since: NOW - 60_000,
  ...change,
});
