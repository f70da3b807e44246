import { z } from 'zod';
import { ANNOTATIONS, LABELS, ROLES } from '../../contract/cluster.ts';
import type { JobView } from '../observed.ts';

/** What the operator reads of a Job. */

const time = z.string().optional();
const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  message: z.string().optional(),
  lastTransitionTime: time,
});

const jobSchema = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
    creationTimestamp: time,
    deletionTimestamp: time,
  }),
  spec: z.object({ suspend: z.boolean().default(false), parallelism: z.int().default(1) }),
  status: z
    .object({
      active: z.int().default(0),
      ready: z.int().default(0),
      succeeded: z.int().default(0),
      failed: z.int().default(0),
      completionTime: time,
      conditions: z.array(conditionSchema).default([]),
    })
    .prefault({}),
});

/** A Job as decide/ sees it; null for one that is none of ours, whatever its labels say. */
export function jobView(object: unknown): JobView | null {
  const { metadata, spec, status } = jobSchema.parse(object);
  const role = ROLES.find((known) => known === metadata.labels[LABELS.role]);
  const round = Number(metadata.annotations[ANNOTATIONS.round]);
  if (!role || !Number.isInteger(round) || round < 1) return null;
  const isTrue = (type: string) => status.conditions.find((one) => one.type === type && one.status === 'True');
  const [complete, failed] = [isTrue('Complete'), isTrue('Failed')];
  const stage = metadata.labels[LABELS.stage];
  return {
    name: metadata.name,
    role,
    ...(stage !== undefined && { stage }),
    round,
    templateDigest: metadata.annotations[ANNOTATIONS.template] ?? '',
    state: complete ? 'complete' : failed ? 'failed' : 'running',
    suspended: spec.suspend,
    parallelism: spec.parallelism,
    active: status.active,
    ready: Math.min(status.ready, status.active),
    succeeded: status.succeeded,
    failed: status.failed,
    createdAt: millis(metadata.creationTimestamp) ?? 0,
    endedAt: millis(status.completionTime ?? complete?.lastTransitionTime ?? failed?.lastTransitionTime),
    failure: failed?.message ?? null,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

const millis = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));
