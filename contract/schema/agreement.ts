import { z } from 'zod';

/** Counts of accepted images in which a gate that refuses nothing finds what was asked for. */

const count = z.int().min(0);
const share = z.number().min(0).max(1);

const counted = {
  images: count.describe('Accepted images that it judged'),
  agreed: count.describe('Those whose score would have passed'),
  share: z
    .strictObject({ value: share, interval: z.tuple([share, share]).describe('At 95 %, after Wilson (1927)') })
    .nullable()
    .describe('Null without images'),
};

export const agreementSchema = z.strictObject({
  gate: z.string(),
  ...counted,
  groups: z
    .array(z.strictObject({ group: z.record(z.string(), z.string()), ...counted }))
    .describe('By the values of each axis'),
});
export type Agreement = z.infer<typeof agreementSchema>;
