import { z } from 'zod';

/** data.json of `cohortfarm check-data`: what the trainer reads of each source, and what it does not understand. */

const count = z.int().min(0);
const counts = z.record(z.string(), count);

const notesSchema = z.strictObject({
  where: z.string().describe('The table of the images'),
  rows: count,
  leftOut: counts.describe('Rows, by reason'),
  remarks: counts,
  views: counts.describe('Rows, before any filter'),
  notUnderstood: z.record(z.string(), counts).describe('Values that say something and were not understood, by column'),
  otherFindings: counts.describe('Findings other than the labels'),
  ignored: z.array(z.string()).describe('Columns'),
  unnamed: count.describe('Images that no row names'),
});

export const dataCheckSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/data/v1'),
  sources: z.array(
    z.strictObject({
      name: z.string().describe('Field of the spec'),
      use: z.enum(['Training', 'Test']),
      images: count.describe('That it is used for; so are the counts below'),
      patients: count,
      labels: z.array(z.strictObject({ label: z.string(), present: count, absent: count, unknown: count })),
      groups: z.record(z.string(), counts).describe('Images by value, by axis'),
      splits: counts.describe('All images that were read, whatever part they are in'),
      sites: counts,
      folders: z.array(notesSchema),
    }),
  ),
  faults: z.array(z.string()),
});
export type DataCheck = z.infer<typeof dataCheckSchema>;
