import { z } from 'zod';
import { digest } from './digest.ts';

/** The signer of the images: SHA-256 of the key's certificate, and of all certificates that each image holds. */
export const contentCredentialsSchema = z.strictObject({ certificate: digest, chain: digest });
export type ContentCredentials = z.infer<typeof contentCredentialsSchema>;

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
  contentCredentials: contentCredentialsSchema.optional(),
});
export type Export = z.infer<typeof exportSchema>;
