import { z } from 'zod';

/** `gate.json`, beside a gate's `model.onnx`: how to feed the graph and how to read it. */

const channelStatistics = z.array(z.number()).min(1).max(3);

export const gateModelSchema = z
  .strictObject({
    apiVersion: z.literal('cohortfarm.dev/gate/v1'),
    type: z.enum(['Classifier', 'Regressor']),
    input: z.strictObject({
      height: z.int().min(8).max(4096),
      width: z.int().min(8).max(4096),
      channels: z.union([z.literal(1), z.literal(3)]),
      mean: channelStatistics.describe('Per channel, of pixels in 0..1'),
      std: channelStatistics,
    }),
    output: z.strictObject({
      activation: z.enum(['softmax', 'sigmoid', 'identity']),
      classes: z.array(z.string().min(1)).min(1).optional(),
      unit: z.string().optional(),
    }),
  })
  .refine((gate) => gate.type === 'Regressor' || gate.output.classes !== undefined, 'a Classifier needs output.classes')
  .refine(
    ({ input }) => input.mean.length === input.channels && input.std.length === input.channels,
    'mean and std need one number per channel',
  )
  .refine(({ input }) => input.std.every((value) => value > 0), 'std must be positive');

export type GateModel = z.infer<typeof gateModelSchema>;
