import { sha256 } from './digest.ts';
import { API_VERSION } from './names.ts';

/** Names that operator, workers and the queue must agree on in a cluster. */

const GROUP = API_VERSION.split('/')[0]!;

/** Under which the operator applies objects and patches status (server-side apply). */
export const FIELD_MANAGER = 'cohortfarm';

/** Held until pods, stream and (with `deletionPolicy: Delete`) objects are gone. */
export const FINALIZER = `${GROUP}/cleanup`;

/** Kubernetes' own: held while the cluster deletes what belongs to a resource first (`--cascade=foreground`). */
export const FOREGROUND = 'foregroundDeletion';

/** The role of a Job of a dataset. */
export const ROLES = ['workers', 'publish', 'cleanup', 'train'] as const;
export type Role = (typeof ROLES)[number];

/** The section of a spec that describes the pods of each. */
export const SECTIONS: Readonly<Record<Role, string>> = {
  workers: 'spec.workers',
  publish: 'spec.publish',
  cleanup: 'spec.publish',
  train: 'spec.training',
};

export const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  component: 'app.kubernetes.io/component',
  /** Name of the SyntheticDataset. */
  dataset: `${GROUP}/dataset`,
  /** UID of the SyntheticDataset: another one of the same name is another dataset. */
  uid: `${GROUP}/dataset-uid`,
  role: `${GROUP}/role`,
  /** Name of the training stage, for the role `train`. */
  stage: `${GROUP}/stage`,
  /** Kueue's LocalQueue. */
  queue: 'kueue.x-k8s.io/queue-name',
  /** On pods of a TrainJob, whose name its JobSet has. */
  jobSet: 'jobset.sigs.k8s.io/jobset-name',
  /** Kueue's, on a Workload: the UID of its Job. */
  workloadOf: 'kueue.x-k8s.io/job-uid',
} as const;

export const MANAGED_BY = 'cohortfarm';

export const ANNOTATIONS = {
  /** Which try at a step a Job is, from 1. */
  round: `${GROUP}/round`,
  /** Digest of what the pod template was built from; another one needs another Job. */
  template: `${GROUP}/template-digest`,
  /** Nodes on which a round before failed, which the Job's pods keep away from. */
  avoided: `${GROUP}/avoided-nodes`,
  /** The LocalQueue that the spec named; empty for none. Kueue may have set the label of a Job that names none. */
  queue: `${GROUP}/queue-name`,
  /** Digest of the whole pod template, with what is for the next pods only, such as a log level. */
  rendered: `${GROUP}/rendered-digest`,
  /** Workers that the Job was made for; Kueue may have admitted fewer. */
  replicas: `${GROUP}/replicas`,
  /** Kueue's: as few pods of a Job as it may admit. */
  minParallelism: 'kueue.x-k8s.io/job-min-parallelism',
  /** Kueue's: an Indexed Job admitted with fewer pods has fewer indexes, too. */
  equalCompletions: 'kueue.x-k8s.io/job-completions-equal-parallelism',
} as const;

/** Longest name of a Job: its pods add an index and a random ending, and all of it must fit into a label. */
const MAX_JOB_NAME = 52;

/** Kubeflow Trainer adds `-node-0-INDEX` and a random ending, and wants all of it to be a DNS label. */
const MAX_STAGE_JOB_NAME = 45;

/** Name of the Job that does a step of a dataset for the nth time: `DATASET-ROLE-ROUND`, shortened with a digest. */
export function jobName(dataset: string, step: string, round: number, longest = MAX_JOB_NAME): string {
  const ending = `-${step}-${round}`;
  if (dataset.length + ending.length <= longest) return dataset + ending;
  const whole = sha256(`${dataset}${ending}`).slice(0, 8);
  const kept = `${dataset}-${step}`.slice(0, longest - whole.length - String(round).length - 2);
  return `${kept.replace(/-+$/, '')}-${whole}-${round}`;
}

/**
 * The same for a training stage, whose Job or TrainJob shares its name with a Service: it begins with a letter. Hyphens in the
 * names (stage `b-c` of `a`, stage `c` of `a-b`) call for a digest, so that no two datasets mean the same Job, and so does a
 * stage with the name of a role, which names Jobs, too.
 */
export function stageJobName(dataset: string, stage: string, round: number): string {
  const named = /^[a-z]/.test(dataset) ? dataset : `d${sha256(dataset).slice(0, 8)}-${dataset}`;
  const isRole = (ROLES as readonly string[]).includes(stage);
  const isClear = !named.includes('-') && !stage.includes('-') && !isRole;
  const step = isClear ? stage : `${stage}-${sha256(`${dataset}/${stage}`).slice(0, 6)}`;
  return jobName(named, step, round, MAX_STAGE_JOB_NAME);
}

/** Name of the ConfigMap that holds the resource as its pods read it; another content has another name. */
export const configMapName = (dataset: string, digest: string): string => `${dataset}-spec-${digest.slice(0, 10)}`;

/** Key of the resource (JSON) in that ConfigMap, and the file name where it is mounted. */
export const DATASET_FILE = 'dataset.json';

/**
 * JetStream. One work-queue stream for each dataset holds the shards to do; one stream for all datasets holds the last word
 * on each plan and shard; reports of running work are plain messages that may be lost.
 */
export const queue = {
  stream: (uid: string): string => `cohortfarm-shards-${uid}`,
  subject: (uid: string): string => `cohortfarm.shards.${uid}`,
  /** The one durable pull consumer, which all workers share. */
  consumer: 'workers',
  /** Server-side deduplication: filling twice is harmless. */
  messageId: (planDigest: string, shard: number): string => `${planDigest}-${shard}`,
} as const;

export const progress = {
  stream: 'cohortfarm-progress',
  subjects: 'cohortfarm.progress.>',
  ofDataset: (uid: string): string => `cohortfarm.progress.${uid}.>`,
  plan: (uid: string): string => `cohortfarm.progress.${uid}.plan`,
  shard: (uid: string, shard: number): string => `cohortfarm.progress.${uid}.shard.${shard}`,
} as const;

export const live = {
  subjects: 'cohortfarm.live.>',
  subject: (uid: string): string => `cohortfarm.live.${uid}`,
  /** Reports of the publish pod and of training stages. */
  step: (uid: string): string => `cohortfarm.live.${uid}.step`,
} as const;

/** Audience of the tokens that pods present to the queue; the API server accepts them for nothing else. */
export const QUEUE_AUDIENCE = 'cohortfarm-queue';

/** Subjects to which a user of the queue may publish and subscribe. */
export interface QueueSubjects {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Prefix of the subjects on which a dataset's workers get answers; another dataset's worker cannot listen there. */
export const inboxPrefix = (uid: string): string => `_INBOX.${uid}`;

/** All that a worker of a dataset needs, and nothing of any other dataset. */
export function workerSubjects(uid: string): QueueSubjects {
  const stream = queue.stream(uid);
  const consumer = `${stream}.${queue.consumer}`;
  return {
    publish: [
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.CONSUMER.INFO.${consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
      `$JS.ACK.${consumer}.>`,
      progress.plan(uid),
      `cohortfarm.progress.${uid}.shard.*`,
      live.subject(uid),
    ],
    subscribe: [`${inboxPrefix(uid)}.>`],
  };
}

/** All that the publish pod and training stages of a dataset need: reports that may be lost. */
export const reporterSubjects = (uid: string): QueueSubjects => ({ publish: [live.step(uid)], subscribe: [] });

/** The UID in a subject of `progress` or `live`; null for any other subject. */
export function uidOfSubject(subject: string): string | null {
  return /^cohortfarm\.(?:progress|live)\.([^.]+)(?:\.|$)/.exec(subject)?.[1] ?? null;
}

/** Key of a stage's config (JSON) in its ConfigMap. */
export const STAGE_FILE = 'stage.json';

/** Environment variables of our pods. */
export const ENV = {
  natsUrl: 'COHORTFARM_NATS_URL',
  /** Path of a NATS credentials file; absent when the server wants none. */
  natsCredentials: 'COHORTFARM_NATS_CREDENTIALS',
  /** Path of a token of the pod's own ServiceAccount for QUEUE_AUDIENCE; absent when the server wants none. */
  natsToken: 'COHORTFARM_NATS_TOKEN',
  datasetFile: 'COHORTFARM_DATASET_FILE',
  datasetUid: 'COHORTFARM_DATASET_UID',
  podName: 'COHORTFARM_POD_NAME',
  /** For a worker pod: the GPUs that it was given, each for an engine of its own; absent without any. */
  gpus: 'COHORTFARM_GPUS',
  /** For a worker pod: the CPUs that it requests, rounded up; 0 where it requests none. */
  cpus: 'COHORTFARM_CPUS',
  /** For a cleanup pod: the plan whose objects it may remove. */
  planDigest: 'COHORTFARM_PLAN_DIGEST',
  /** Folder of the cache of models from S3. */
  cache: 'COHORTFARM_CACHE',
  /** File for the outcome (see schema/outcome.ts); the container's terminationMessagePath. */
  outcomeFile: 'COHORTFARM_OUTCOME_FILE',
  logLevel: 'COHORTFARM_LOG_LEVEL',
  /** For a trainer: path of its config (see schema/stage.ts). */
  stageConfig: 'COHORTFARM_STAGE_CONFIG',
  /** For a trainer of some runs of a comparison: which share of them, from 0. */
  share: 'COHORTFARM_SHARE',
} as const;

/** Paths in the containers of our images. */
export const PATHS = {
  /** The installed tree; programs are started as `node PROGRAM ROLE`. */
  app: '/app',
  podProgram: '/app/worker/pod/main.ts',
  config: '/etc/cohortfarm',
  cache: '/var/cache/cohortfarm',
  natsCredentials: '/etc/cohortfarm-nats',
  /** Folder of the token for the queue, whose file is `token`. */
  natsToken: '/var/run/secrets/cohortfarm.dev/queue',
  temporary: '/tmp',
  outcome: '/dev/termination-log',
  /** The config of a training stage; see schema/stage.ts. */
  stageConfig: '/etc/cohortfarm/stage.json',
} as const;
