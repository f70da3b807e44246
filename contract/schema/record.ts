import { z } from 'zod';
import { digest } from './digest.ts';

/** The texts that CohortFarm writes: a sample's JSON, a part's and a shard's record, the manifest. */

const count = z.int().min(0);
const index = z.int().min(0);

/** The image from which a Novelty gate measured, by gate: SHA-256 of a training image, or the key of a sample. */
const nearest = z.record(z.string(), z.string());

/** One generated image that was refused, by which gate (the first in order), and what every gate said. */
const rejectionSchema = z.strictObject({
  attempt: count,
  seed: count,
  gate: z.string(),
  scores: z.record(z.string(), z.number().nullable()),
  nearest: nearest.optional(),
});

/** KEY.json in a shard. `cell` and `axes` say what was wanted, `scores` what the gates found. */
export const sampleRecordSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/sample/v1'),
  synthetic: z.literal(true),
  index,
  cell: z.string(),
  axes: z.record(z.string(), z.string()),
  /** The values that the one in `axes` combines, or that value alone, on each axis with combinations. */
  sets: z.record(z.string(), z.array(z.string())).optional(),
  exact: z.record(z.string(), z.number()),
  sourceId: z.string().optional(),
  /** Key of the first sample of its pair. */
  pair: z.string().optional(),
  prompt: z.string(),
  seed: count,
  attempt: count,
  /** Probability of the wanted class, the predicted number, or the distance from the nearest image, by gate name. */
  scores: z.record(z.string(), z.number()),
  nearest: nearest.optional(),
  rejected: z.array(rejectionSchema),
  planDigest: digest,
  modelDigest: digest,
});
export type SampleRecord = z.infer<typeof sampleRecordSchema>;

/** rejected/CELL/PLACE.json: what was wanted of a rejected image that was kept, and what the gates said. */
export const rejectedRecordSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/rejected/v1'),
  synthetic: z.literal(true),
  index,
  cell: z.string(),
  axes: z.record(z.string(), z.string()),
  exact: z.record(z.string(), z.number()),
  prompt: z.string(),
  attempt: count,
  seed: count,
  gate: z.string(),
  scores: z.record(z.string(), z.number().nullable()),
  nearest: nearest.optional(),
  planDigest: digest,
});
export type RejectedRecord = z.infer<typeof rejectedRecordSchema>;

/** The outcome of a cell's samples in a part or a shard. */
export const cellTallySchema = z.strictObject({
  cell: z.string(),
  /** Samples of the cell here; wanted = accepted + exhausted. */
  wanted: count,
  accepted: count,
  exhausted: count,
  /** Images generated; attempts = accepted + all rejected. */
  attempts: count,
  rejected: z.record(z.string(), count),
});
export type CellTally = z.infer<typeof cellTallySchema>;

/** Begins a part: the first member of its tar, left out of the shard. */
export const partRecordSchema = z.strictObject({
  planDigest: digest,
  start: index,
  end: index,
  provider: z.string(),
  cells: z.array(cellTallySchema),
  /** Indices of samples whose every attempt was rejected. */
  exhausted: z.array(index),
  /** SHA-256 of the rest as canonical JSON and of the members that follow; missing in parts of former versions. */
  digest: digest.optional(),
});
export type PartRecord = Omit<z.infer<typeof partRecordSchema>, 'digest'>;

/** records/000000.json: the commit of a shard. */
export const shardRecordSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/record/v1'),
  planDigest: digest,
  modelDigest: digest,
  shard: index,
  key: z.string(),
  sha256: digest,
  bytes: count,
  start: index,
  end: index,
  accepted: count,
  attempts: count,
  provider: z.string(),
  cells: z.array(cellTallySchema),
  exhausted: z.array(index),
  /** The object of the feature vectors, where the spec names an encoder. */
  features: z.strictObject({ key: z.string(), sha256: digest, bytes: count }).optional(),
});
export type ShardRecord = z.infer<typeof shardRecordSchema>;

/** _work/SHARD/seal.json: fixes which stored parts make the shard, before any byte of it is written. */
export const sealSchema = z.strictObject({
  parts: z.array(z.string()).min(1),
  record: shardRecordSchema,
  /** SHA-256 of the rest as canonical JSON; missing in seals of former versions. */
  digest: digest.optional(),
});
export type Seal = Omit<z.infer<typeof sealSchema>, 'digest'>;

/** Who owns a prefix: a resource, by its UID, or runs of the command line. */
export const prefixOwnerSchema = z.strictObject({
  kind: z.enum(['SyntheticDataset', 'Run']),
  /** UID of the resource, which no other resource of any cluster has; a random one for a run. */
  id: z.string().min(1).max(128),
  /** `NAMESPACE/NAME` of the resource, for people. */
  name: z.string().max(320).optional(),
});
export type PrefixOwner = z.infer<typeof prefixOwnerSchema>;

/** _work/plan.json: the claim of a plan and an owner on the prefix. It stays once the dataset is published. */
export const claimSchema = z.strictObject({
  apiVersion: z.enum(['cohortfarm.dev/claim/v1', 'cohortfarm.dev/claim/v2']),
  planDigest: digest,
  dataset: z.string(),
  /** Missing in claims of version 1. */
  owner: prefixOwnerSchema.optional(),
});
export type Claim = z.infer<typeof claimSchema>;
