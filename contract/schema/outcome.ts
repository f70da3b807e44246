import { z } from 'zod';
import { REASONS, type ReasonName } from '../reasons.ts';
import { digest } from './digest.ts';

/** The outcome of a pod: the JSON of its termination message, which the API server cuts off at 4,096 bytes. */

const count = z.int().min(0);

/** Short lines for people. */
export const MAX_HEADLINE = 200;
export const headlinesSchema = z.array(z.string().max(MAX_HEADLINE)).max(8);

export const MAX_OUTCOME_BYTES = 4096;
export const MAX_OUTCOME_MESSAGE = 1000;

export const outcomeSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/outcome/v1'),
  /** Why it failed, or what was done. */
  reason: z.enum(Object.keys(REASONS) as [ReasonName, ...ReasonName[]]),
  message: z.string().max(MAX_OUTCOME_MESSAGE),
  /** From a publish pod. */
  published: z
    .strictObject({
      planDigest: digest,
      manifest: z.strictObject({ uri: z.string(), sha256: digest }),
      samples: z.strictObject({ wanted: count, accepted: count, exhausted: count, attempts: count }),
      /** Headlines of the evidence about the images. */
      evidence: headlinesSchema.optional(),
    })
    .optional(),
  /** From a training pod: its headline metrics. */
  metrics: z.record(z.string(), z.number()).optional(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

/** Reads a termination message; null when it is none of ours (a killed pod leaves none, another image leaves its own). */
export function parseOutcome(text: string | undefined): Outcome | null {
  if (!text) return null;
  try {
    const parsed = outcomeSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
