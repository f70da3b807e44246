import { z } from 'zod';

/** The messages of the queue: shards to do, and their outcomes. Cells are numbered as in the plan. */

const count = z.int().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** A message of the work queue: one shard to do. The worker refuses one of another plan. */
export const taskSchema = z.strictObject({ planDigest: digest, shard: count });
export type Task = z.infer<typeof taskSchema>;

/** The outcome of the samples of one cell; `attempts` = `accepted` + all rejected. */
const cellCount = z.strictObject({
  /** Ordinal of the cell in the plan. */
  cell: count,
  accepted: count,
  exhausted: count,
  attempts: count,
  rejected: z.record(z.string(), count),
});
export type CellCount = z.infer<typeof cellCount>;

/** The plan that a worker derived from the resource, before it asks for its first shard. */
export const planEventSchema = z.strictObject({
  planDigest: digest,
  samples: count,
  shards: count,
  /** Identifiers and quotas of the cells, in the order of the plan. */
  cells: z.array(z.strictObject({ id: z.string(), wanted: count })),
});
export type PlanEvent = z.infer<typeof planEventSchema>;

/** A committed shard: what its record counts. */
export const shardEventSchema = z.strictObject({
  planDigest: digest,
  shard: count,
  cells: z.array(cellCount),
});
export type ShardEvent = z.infer<typeof shardEventSchema>;

/** A running shard, every few seconds: all of it so far in this worker, and what came since the last report. */
export const liveEventSchema = z.strictObject({
  worker: z.string().max(253),
  shard: count,
  cells: z.array(cellCount),
  since: z.strictObject({ seconds: z.number().min(0), accepted: count, attempts: count }),
});
export type LiveEvent = z.infer<typeof liveEventSchema>;

/** Seconds between two live events of one worker, so that many workers together do not flood the operator. */
export const liveInterval = (workers: number): number => Math.max(2, workers / 50);
