import { z } from 'zod';
import { agreementSchema } from './agreement.ts';
import { digest } from './digest.ts';
import { evidenceSchema } from './evidence.ts';
import { datasetSchema } from './spec.ts';

/** dataset.json, the manifest: written last, its presence says that the dataset is complete; and the outline before it. */

const count = z.int().min(0);

const manifestObject = z.strictObject({ key: z.string(), bytes: count, sha256: digest });
export type ManifestObject = z.infer<typeof manifestObject>;

const modelEntry = z.strictObject({ uri: z.string(), digest, scheduler: z.string(), height: count, width: count });

/** _work/dataset.json: what is wanted of an unfinished dataset. */
export const outlineSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/outline/v1'),
  name: z.string(),
  planDigest: digest,
  model: modelEntry,
  /** SHA-256 of the encoder of features; absent without one, and from outlines of former versions. */
  encoder: digest.optional(),
  /** Index of the first sample; 0 where it is left out. */
  first: count.optional(),
  /** In order of the grid. */
  cells: z.array(z.strictObject({ cell: z.string(), axes: z.record(z.string(), z.string()), wanted: count })),
  /** The resource as accepted, without credentials. */
  dataset: datasetSchema,
});
export type Outline = z.infer<typeof outlineSchema>;

export const manifestSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/manifest/v1'),
  name: z.string(),
  synthetic: z.literal(true),
  generator: z.strictObject({ name: z.literal('cohortfarm'), version: z.string() }),
  planDigest: digest,
  /** The preimage of the plan digest (see `PlanIdentity`). */
  plan: z.looseObject({
    quotas: z.record(z.string(), count),
    extends: z.strictObject({ manifest: digest, index: count, attempts: count }).optional(),
  }),
  /** The dataset that this one extends. */
  parent: z
    .strictObject({
      /** Its manifest: s3://, or relative to this dataset. */
      manifest: z.string(),
      sha256: digest,
      name: z.string(),
      /** Samples of it and of all before it. */
      samples: count,
    })
    .optional(),
  model: modelEntry,
  providers: z.array(z.string()),
  samples: z.strictObject({ wanted: count, accepted: count, exhausted: count, attempts: count }),
  rejected: z.record(z.string(), count),
  cells: z.array(
    z.strictObject({
      cell: z.string(),
      axes: z.record(z.string(), z.string()),
      wanted: count,
      accepted: count,
      exhausted: count,
      attempts: count,
      rejected: z.record(z.string(), count),
    }),
  ),
  /** Verdicts of the gates that refuse nothing; missing without one. */
  agreement: z.array(agreementSchema).optional(),
  /** Fidelity, diversity and privacy of the images; missing without an encoder. */
  evidence: evidenceSchema.optional(),
  shards: z.array(manifestObject.extend({ start: count, end: count, accepted: count, record: z.string() })),
  /** The published objects beside the shards. */
  files: z.array(manifestObject),
  /** The resource as accepted, without credentials. */
  dataset: datasetSchema,
});
export type Manifest = z.infer<typeof manifestSchema>;
