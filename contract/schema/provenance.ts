import { z } from 'zod';
import { DIGITAL_SOURCE_TYPE } from '../names.ts';
import { digest } from './digest.ts';

/** signatures/KEYID.json: an in-toto statement on a published dataset in a DSSE envelope. */

const base64 = z.base64();

/** DSSE 1.0: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/envelope.md */
export const envelopeSchema = z.strictObject({
  payload: base64,
  payloadType: z.literal('application/vnd.in-toto+json'),
  signatures: z.tuple([z.strictObject({ keyid: digest, sig: base64 })]),
});
export type Envelope = z.infer<typeof envelopeSchema>;

/** in-toto Statement v1: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md */
export const statementSchema = z.strictObject({
  _type: z.literal('https://in-toto.io/Statement/v1'),
  subject: z.tuple([
    z.strictObject({ name: z.literal('dataset.json'), digest: z.strictObject({ sha256: digest }) }),
    /** All records; the digest of a folder as in-toto defines it. */
    z.strictObject({ name: z.literal('records'), digest: z.strictObject({ dirHash1: digest }) }),
  ]),
  predicateType: z.literal('https://cohortfarm.dev/provenance/v1'),
  predicate: z.strictObject({
    dataset: z.string(),
    synthetic: z.literal(true),
    digitalSourceType: z.literal(DIGITAL_SOURCE_TYPE),
    generator: z.strictObject({ name: z.literal('cohortfarm'), version: z.string() }),
    planDigest: digest,
    model: z.strictObject({ uri: z.string(), digest: z.strictObject({ sha256: digest }) }),
    samples: z.int().min(0),
  }),
});
export type Statement = z.infer<typeof statementSchema>;
