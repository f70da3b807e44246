import { z } from 'zod';

/** `gate.json`, beside a gate's `model.onnx`: how to feed the graph and how to read it. */

/** Gates with a graph of their own. */
const MODEL_GATE_TYPE_NAMES = ['Classifier', 'Regressor'] as const;
export const GATE_TYPE_NAMES = [...MODEL_GATE_TYPE_NAMES, 'Novelty'] as const;
export type GateTypeName = (typeof GATE_TYPE_NAMES)[number];

const statistics = z.array(z.number().min(-1e6).max(1e6)).min(1).max(3);

/** The preprocessing of pixels for the graph of a gate or an encoder. */
export const gateInputSchema = z.strictObject({
  height: z.int().min(8).max(4096).describe('Pixels; images of another size are resized'),
  width: z.int().min(8).max(4096).describe('Pixels; images of another size are resized'),
  channels: z.literal([1, 3]).describe('1 for grey, 3 for RGB'),
  mean: statistics.describe('For each channel, of pixels in 0..1; what is fed is (pixel - mean) / std'),
  std: statistics.describe('For each channel, of pixels in 0..1; above 0'),
});

export type GraphInput = z.infer<typeof gateInputSchema>;

/** The refinements of `gateInputSchema`, for the schemas that hold one. */
export const hasStatistics = ({ input }: { input: GraphInput }): boolean =>
  input.mean.length === input.channels && input.std.length === input.channels;
export const hasSpread = ({ input }: { input: GraphInput }): boolean => input.std.every((value) => value > 0);
export const STATISTICS_MESSAGE = 'mean and std need one number per channel';
export const SPREAD_MESSAGE = 'std must be positive';

export const activationSchema = z
  .enum(['softmax', 'sigmoid', 'identity'])
  .describe("What turns the graph's outputs into probabilities; identity where they are, or for a Regressor");

export const gateModelSchema = z
  .strictObject({
    apiVersion: z.literal('cohortfarm.dev/gate/v1'),
    type: z.enum(MODEL_GATE_TYPE_NAMES),
    input: gateInputSchema,
    output: z.strictObject({
      activation: activationSchema,
      classes: z.array(z.string().min(1)).min(1).optional(),
      unit: z.string().optional(),
    }),
  })
  .refine(hasStatistics, STATISTICS_MESSAGE)
  .refine(hasSpread, SPREAD_MESSAGE);

export type GateModel = z.infer<typeof gateModelSchema>;
