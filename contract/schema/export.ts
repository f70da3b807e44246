import { z } from 'zod';
import { digest } from './digest.ts';

/** export.json: of which dataset an export is. */
export const exportSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/export/v1'),
  dataset: z.string(),
  synthetic: z.literal(true),
  planDigest: digest,
  generator: z.object({ name: z.string(), version: z.string() }),
  samples: z.int().min(0),
  format: z.enum(['dicom', 'imagefolder', 'coco', 'mds']),
  bodyPart: z.string().optional(),
  /** SHA-256 of the certificate of the key that signed each image. */
  contentCredentials: z.strictObject({ certificate: digest }).optional(),
});
export type Export = z.infer<typeof exportSchema>;
