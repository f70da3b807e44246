import { z } from 'zod';
import { ANNOTATIONS, LABELS, ROLES } from '../../contract/cluster.ts';
import { wholeOf } from '../../kube/quantity.ts';
import type { JobView } from '../observed.ts';

/** Jobs as the operator reads them. */

const time = z.string().optional();
const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  message: z.string().optional(),
  lastTransitionTime: time,
});

const metadataSchema = z.object({
  name: z.string(),
  uid: z.string().default(''),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  creationTimestamp: time,
  deletionTimestamp: time,
});

const resourcesSchema = z.object({ limits: z.record(z.string(), z.union([z.string(), z.number()])).default({}) });

const jobSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    suspend: z.boolean().default(false),
    parallelism: z.int().default(1),
    template: z
      .object({ spec: z.object({ containers: z.array(z.object({ resources: resourcesSchema.prefault({}) })) }) })
      .prefault({ spec: { containers: [] } }),
  }),
  status: z
    .object({
      active: z.int().default(0),
      ready: z.int().default(0),
      terminating: z.int().default(0),
      succeeded: z.int().default(0),
      failed: z.int().default(0),
      failedIndexes: z.string().optional(),
      completionTime: time,
      conditions: z.array(conditionSchema).default([]),
    })
    .prefault({}),
});

/** A Job as decide/ sees it; null for one that is none of ours, whatever its labels say. */
export function jobView(object: unknown): JobView | null {
  const { metadata, spec, status } = jobSchema.parse(object);
  const base = baseView(metadata, status.conditions);
  if (!base) return null;
  const running = Math.min(status.ready, status.active);
  return {
    ...base,
    kind: 'Job',
    suspended: spec.suspend,
    parallelism: spec.parallelism,
    active: status.active,
    ready: running,
    terminating: status.terminating,
    succeeded: status.succeeded,
    failed: status.failed,
    ...held(
      spec.template.spec.containers.map(({ resources }) => resources),
      running + status.terminating,
    ),
    missing: base.state === 'running' && !spec.suspend && !base.deleting ? missingPods(spec.parallelism, status) : 0,
    ...sizeOf(metadata.annotations),
    ...(status.completionTime !== undefined && { endedAt: millis(status.completionTime) }),
  };
}

/** Extended resources, whose names begin with a domain, of so many pods. */
function held(containers: readonly z.infer<typeof resourcesSchema>[], pods: number): Pick<JobView, 'held'> {
  const sums: Record<string, number> = {};
  for (const { limits } of containers) {
    for (const [name, amount] of Object.entries(limits)) {
      if (name.includes('/') && pods > 0) sums[name] = (sums[name] ?? 0) + wholeOf(amount) * pods;
    }
  }
  return Object.keys(sums).length > 0 ? { held: sums } : {};
}

/** Workers that a Job was made for, and how few of them Kueue may admit. */
function sizeOf(annotations: Readonly<Record<string, string>>): Pick<JobView, 'replicas' | 'minReplicas'> {
  const [replicas, minReplicas] = [ANNOTATIONS.replicas, ANNOTATIONS.minParallelism].map((name) =>
    Number(annotations[name] ?? Number.NaN),
  ) as [number, number];
  return {
    ...(Number.isInteger(replicas) && { replicas }),
    ...(Number.isInteger(minReplicas) && { minReplicas }),
  };
}

function missingPods(parallelism: number, status: z.infer<typeof jobSchema>['status']): number {
  const { active, terminating, succeeded, failedIndexes } = status;
  return Math.max(0, parallelism - active - terminating - succeeded - countIndexes(failedIndexes));
}

/** Counts what is written like `1,3-5,7`. */
function countIndexes(text = ''): number {
  const ranges = text.split(',').filter((part) => part !== '');
  return ranges.reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}

const trainJobSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    suspend: z.boolean().default(false),
    trainer: z.object({ numNodes: z.int().default(1), resourcesPerNode: resourcesSchema.prefault({}) }).prefault({}),
  }),
  status: z
    .object({
      conditions: z.array(conditionSchema).default([]),
      jobsStatus: z
        .array(
          z.object({
            active: z.int().default(0),
            ready: z.int().default(0),
            succeeded: z.int().default(0),
            failed: z.int().default(0),
          }),
        )
        .default([]),
    })
    .prefault({}),
});

/** A TrainJob of Kubeflow Trainer, as if it were a Job: it counts Jobs where a Job counts pods. */
export function trainJobView(object: unknown): JobView | null {
  const { metadata, spec, status } = trainJobSchema.parse(object);
  const base = baseView(metadata, status.conditions);
  if (!base) return null;
  const sum = (count: 'active' | 'ready' | 'succeeded' | 'failed') =>
    status.jobsStatus.reduce((all, job) => all + job[count], 0);
  return {
    ...base,
    kind: 'TrainJob',
    suspended: spec.suspend,
    parallelism: 1,
    active: sum('active'),
    ready: sum('ready'),
    terminating: 0,
    succeeded: sum('succeeded'),
    failed: sum('failed'),
    // It is ready when the pods of all its nodes are.
    ...held([spec.trainer.resourcesPerNode], sum('ready') > 0 ? spec.trainer.numNodes : 0),
    missing: 0,
  };
}

/** A Job that a TrainJob has made, with its pods, in the name of the TrainJob. */
export function childJobView(object: unknown, parent: JobView): JobView {
  const { metadata, spec, status } = jobSchema.parse(object);
  return {
    ...parent,
    uid: metadata.uid,
    parallelism: spec.parallelism,
    missing: spec.suspend || hasEnded(status.conditions) ? 0 : missingPods(spec.parallelism, status),
    createdAt: millis(metadata.creationTimestamp) ?? 0,
  };
}

const hasEnded = (conditions: readonly z.infer<typeof conditionSchema>[]): boolean =>
  conditions.some(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'));

type Base = Pick<
  JobView,
  | 'name'
  | 'uid'
  | 'role'
  | 'stage'
  | 'round'
  | 'templateDigest'
  | 'queueName'
  | 'desiredQueue'
  | 'renderedDigest'
  | 'state'
  | 'createdAt'
  | 'endedAt'
  | 'failure'
  | 'deleting'
  | 'avoidedNodes'
>;

/** The view that labels, annotations and conditions give; both kinds have Complete and Failed. */
function baseView(
  metadata: z.infer<typeof metadataSchema>,
  conditions: readonly z.infer<typeof conditionSchema>[],
): Base | null {
  const role = ROLES.find((known) => known === metadata.labels[LABELS.role]);
  const round = Number(metadata.annotations[ANNOTATIONS.round]);
  if (!role || !Number.isInteger(round) || round < 1) return null;
  const isTrue = (type: string) => conditions.find((one) => one.type === type && one.status === 'True');
  const [complete, failed] = [isTrue('Complete'), isTrue('Failed')];
  const { [LABELS.stage]: stage, [LABELS.queue]: queueName } = metadata.labels;
  const { [ANNOTATIONS.queue]: desiredQueue, [ANNOTATIONS.rendered]: renderedDigest } = metadata.annotations;
  return {
    name: metadata.name,
    uid: metadata.uid,
    role,
    ...(stage !== undefined && { stage }),
    round,
    templateDigest: metadata.annotations[ANNOTATIONS.template] ?? '',
    ...(queueName !== undefined && { queueName }),
    ...(desiredQueue !== undefined && { desiredQueue }),
    ...(renderedDigest !== undefined && { renderedDigest }),
    state: complete ? 'complete' : failed ? 'failed' : 'running',
    createdAt: millis(metadata.creationTimestamp) ?? 0,
    endedAt: millis(complete?.lastTransitionTime ?? failed?.lastTransitionTime),
    failure: failed?.message ?? null,
    deleting: metadata.deletionTimestamp !== undefined,
    avoidedNodes: (metadata.annotations[ANNOTATIONS.avoided] ?? '').split(',').filter((name) => name !== ''),
  };
}

const millis = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));
