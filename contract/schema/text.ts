import { z } from 'zod';

/** Texts and fragments that several sections of a spec are made of. */

const TEXT = 4096;
export const printable = z
  .string()
  .max(TEXT, `must have at most ${TEXT} characters`)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters, line breaks or halves of characters');
export const label = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label: a-z, 0-9 and -, at most 63')
  .meta({ maxLength: 63 });
export const uri = printable.min(1);

/** An inclusive range of whole numbers. */
export const bin = z
  .string()
  .regex(
    /^(0|[1-9]\d{0,5})-(0|[1-9]\d{0,5})$/,
    'must be LOW-HIGH in whole numbers, both included, such as "18-39" (no blanks, no leading zeros)',
  )
  .meta({ maxLength: 13 });

/** Any Kubernetes fragment that CohortFarm passes on to the API server without reading it. */
export const passThrough = z.record(z.string(), z.unknown());
