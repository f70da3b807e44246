import { z } from 'zod';
import { digest } from './digest.ts';

/** Evidence about a cohort, from features of its images: how good, how varied, and whose copy; overall and by group. */

const count = z.int().min(0);

const estimateSchema = z.strictObject({
  value: z.number(),
  interval: z.tuple([z.number(), z.number()]).nullable().describe('Null where it would take too long'),
});
export type Estimate = z.infer<typeof estimateSchema>;

const distancesSchema = z.strictObject({
  smallest: z.number(),
  low: z.number().describe('The 1st percentile'),
  median: z.number(),
});
export type Distances = z.infer<typeof distancesSchema>;

const diversitySchema = z.strictObject({
  meanDistance: estimateSchema.describe('Cosine distance of two images'),
  vendi: z.number().describe('Effective number of different images'),
  nearestOther: distancesSchema.describe('Cosine distance of an image to its nearest other'),
});

const fidelitySchema = z.strictObject({
  real: count.describe('Real images that were compared with'),
  fid: z.number().nullable().describe('Fréchet distance; null for too few images'),
  fidInfinity: estimateSchema.nullable().describe('The same for infinitely many images'),
  kid: estimateSchema,
  precision: estimateSchema,
  recall: estimateSchema,
  density: estimateSchema,
  coverage: estimateSchema,
  separability: estimateSchema
    .nullable()
    .describe('AUROC of a classifier of real against synthetic; null above 256 dimensions, where it takes minutes'),
});
export type Fidelity = z.infer<typeof fidelitySchema>;

const privacySchema = z.strictObject({
  training: count,
  heldOut: count,
  toTraining: distancesSchema.describe('Cosine distance of a synthetic image to the nearest training image'),
  heldOutToTraining: distancesSchema.describe('The same of a held-out real image'),
  nearTraining: estimateSchema.describe('Share nearer to a training image than 99 % of held-out images are'),
  nearerToTraining: estimateSchema.describe('Share nearer to a training than to a held-out image, of as many each'),
  authenticity: estimateSchema.describe('Share farther from its nearest training image than that is from the others'),
  heldOutAuthenticity: estimateSchema.describe('The same of held-out real images'),
  duplicates: estimateSchema.describe('Share as near to another image of the group as nearTraining counts'),
});
export type Privacy = z.infer<typeof privacySchema>;

const groupSchema = z.record(z.string(), z.string());

const groupEvidenceSchema = z.strictObject({
  group: groupSchema.describe('Values of axes; none for the whole dataset'),
  images: count,
  used: count.describe('Images that the figures are computed from'),
  diversity: diversitySchema,
  fidelity: fidelitySchema.nullable(),
  privacy: privacySchema.nullable(),
});
export type GroupEvidence = z.infer<typeof groupEvidenceSchema>;

const measuredSchema = z.strictObject({
  images: count.describe('Images whose distance is recorded'),
  distances: distancesSchema.optional(),
});

const refusedByGateSchema = z.strictObject({
  gate: z.string(),
  against: z.enum(['Training', 'Cohort']),
  threshold: z.number(),
  groups: z.array(
    z.strictObject({
      group: groupSchema,
      refused: count.describe('Images that the gate refused; records of samples without any image hold no distances'),
      ofRefused: measuredSchema,
      ofOthers: measuredSchema.describe('Images that another gate rejected'),
      ofAccepted: measuredSchema,
    }),
  ),
});
export type RefusedByGate = z.infer<typeof refusedByGateSchema>;

export const evidenceSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/evidence/v1'),
  encoder: z.strictObject({ sha256: digest, dimensions: z.int().min(1) }),
  reference: z.strictObject({ sha256: digest, training: count, heldOut: count }).nullable(),
  against: z.enum(['HeldOut', 'Training']).nullable().describe('Real images of fidelity'),
  limits: z.strictObject({ images: count, groupImages: count, minimum: count, level: z.number() }),
  groups: z.array(groupEvidenceSchema).describe('The whole dataset, then single axes, then cells'),
  leftOut: z.array(
    z.strictObject({ group: groupSchema, part: z.enum(['all', 'cells', 'fidelity', 'privacy']), reason: z.string() }),
  ),
  suspicious: z
    .array(z.strictObject({ key: z.string(), distance: z.number(), image: digest.describe('Training image, SHA-256') }))
    .describe('Images nearest to a training image, the nearest first'),
  refused: z
    .array(refusedByGateSchema)
    .optional()
    .describe('For each Novelty gate how many images it refused, and how near they were; former versions left it out'),
});
export type Evidence = z.infer<typeof evidenceSchema>;
