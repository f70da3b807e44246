import { z } from 'zod';
import { digest } from './digest.ts';
import { MAX_DIMENSIONS } from './encoder.ts';

/** `reference.json`: feature vectors of real images, to compare a cohort with. */

const count = z.int().min(0);
const file = z.strictObject({ bytes: count, sha256: digest });

/** The files of a reference beside `reference.json`. */
export const REFERENCE_FILES = ['features.npy', 'rows.csv'] as const;

/**
 * features.npy holds one vector for each image, those that the generator was trained on first. rows.csv says of each row what
 * it is: `split` (training or heldOut), `image` (SHA-256 of the file), `patient` (a hash), `nearest` (for held-out images: the
 * cosine distance to the nearest training image), and one column for each axis of groups.
 */
export const referenceSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/reference/v1'),
  encoder: z.strictObject({ name: z.string(), sha256: digest }),
  dimensions: z.int().min(1).max(MAX_DIMENSIONS),
  images: z.strictObject({ training: count, heldOut: count }),
  files: z.strictObject({ 'features.npy': file, 'rows.csv': file }),
});
export type ReferenceDescription = z.infer<typeof referenceSchema>;
