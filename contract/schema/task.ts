import { z } from 'zod';
import { MAX_SHARDS } from '../names.ts';
import { MAX_CELLS } from '../plan/grid.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import { digest } from './digest.ts';
import { MAX_GATES, MAX_SAMPLES } from './spec.ts';

/**
 * The messages of the queue: shards to do, and their outcomes. Cells are numbered as in the plan. Every number, list and text
 * has a bound that no honest message reaches: a stored message is read by every operator that starts.
 */

/** Samples, and attempts, of which each has a seed of its own. */
const count = z.int().min(0).max(SEED_SPACE);
const shardNumber = z
  .int()
  .min(0)
  .max(MAX_SHARDS - 1);
const ordinal = z
  .int()
  .min(0)
  .max(MAX_CELLS - 1);
/** A gate's name, `degenerate` or `pair`. */
const gateName = z.string().min(1).max(63);
/** All axes of a cell with their values. */
const MAX_CELL_ID = 2048;

/** A message of the work queue: one shard to do. The worker refuses one of another plan. */
export const taskSchema = z.strictObject({ planDigest: digest, shard: shardNumber });
export type Task = z.infer<typeof taskSchema>;

/** The outcome of the samples of one cell; `attempts` = `accepted` + all rejected. */
const cellCount = z.strictObject({
  /** Ordinal of the cell in the plan. */
  cell: ordinal,
  accepted: count,
  exhausted: count,
  attempts: count,
  rejected: z
    .record(gateName, count)
    .refine((gates) => Object.keys(gates).length <= MAX_GATES + 2, `must not name more than ${MAX_GATES + 2} gates`),
});
export type CellCount = z.infer<typeof cellCount>;

/** The plan that a worker derived from the resource, before it asks for its first shard. */
export const planEventSchema = z.strictObject({
  planDigest: digest,
  samples: z.int().min(1).max(MAX_SAMPLES),
  shards: z.int().min(1).max(MAX_SHARDS),
  /** Identifiers and quotas of the cells, in the order of the plan. */
  cells: z.array(z.strictObject({ id: z.string().min(1).max(MAX_CELL_ID), wanted: count })).max(MAX_CELLS),
});
export type PlanEvent = z.infer<typeof planEventSchema>;

/** A committed shard: what its record counts. */
export const shardEventSchema = z.strictObject({
  planDigest: digest,
  shard: shardNumber,
  cells: z.array(cellCount).max(MAX_CELLS),
});
export type ShardEvent = z.infer<typeof shardEventSchema>;

/** A running shard, every few seconds: all of it so far in this worker, and what came since the last report. */
export const liveEventSchema = z.strictObject({
  worker: z.string().max(253),
  shard: shardNumber,
  cells: z.array(cellCount).max(MAX_CELLS),
  since: z.strictObject({ seconds: z.number().min(0).max(1e9), accepted: count, attempts: count }),
});
export type LiveEvent = z.infer<typeof liveEventSchema>;

/** The progress of the publish pod, or of a training stage. */
export const stepEventSchema = z.strictObject({
  /** None for the publish pod. */
  stage: z.string().min(1).max(63).optional(),
  /** Shards checked, or steps of training done. */
  done: count,
  all: count,
  secondsLeft: z.number().min(0).max(1e9).optional(),
});
export type StepEvent = z.infer<typeof stepEventSchema>;

/** Seconds between two live events of one worker, so that many workers together do not flood the operator. */
export const liveInterval = (workers: number): number => Math.max(2, workers / 50);
