import { z } from 'zod';
import { gateInputSchema, hasSpread, hasStatistics, SPREAD_MESSAGE, STATISTICS_MESSAGE } from './gate.ts';

/** `encoder.json`, beside an encoder's `model.onnx`: how to feed the graph, and what it is. */

export const encoderModelSchema = z
  .strictObject({
    apiVersion: z.literal('cohortfarm.dev/encoder/v1'),
    name: z.string().min(1).max(100),
    /** An SPDX identifier, or a URL. */
    license: z.string().min(1).max(200),
    input: gateInputSchema,
  })
  .refine(hasStatistics, STATISTICS_MESSAGE)
  .refine(hasSpread, SPREAD_MESSAGE);
export type EncoderModel = z.infer<typeof encoderModelSchema>;

/** The most numbers of a feature vector. */
export const MAX_DIMENSIONS = 4096;
