import { z } from 'zod';
import { BASELINES, ENDPOINTS, SELECTIONS } from './training.ts';

/**
 * metrics.json of a training stage, as docs/training.md explains it. trainer/ has it as a JSON Schema and checks what it
 * writes. Rates and probabilities are in 0..1.
 */

const count = z.int().min(0);
const rate = z.number().min(0).max(1);

const estimate = z
  .strictObject({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() })
  .describe('With the ends of the 95 % bootstrap interval; null where too few resamples have a value');

const point = z.tuple([rate, rate]);

const labelScores = z.strictObject({
  label: z.string(),
  positives: count,
  negatives: count,
  threshold: rate.describe('F1-optimal on validation data, the same for all groups'),
  auroc: estimate.nullable().describe('Null with fewer than 10 positives or 10 negatives'),
  auprc: estimate.nullable().describe('Area under the precision-recall curve, in steps'),
  sensitivity: estimate.nullable().describe('At the threshold'),
  specificity: estimate.nullable(),
  brier: estimate.describe('Mean squared difference of probability and truth'),
  accuracy: estimate,
  calibrationError: estimate.describe('Expected calibration error, 15 bins of equal width'),
  curves: z
    .strictObject({
      roc: z.array(point).describe('False and true positive rate'),
      precisionRecall: z.array(point).describe('Recall and precision'),
      reliability: z
        .array(z.strictObject({ probability: rate, positives: rate, images: count }))
        .describe('Mean probability and share of positives in each of the 15 bins that has images'),
    })
    .nullable()
    .optional()
    .describe('Points of the figures, at most 101 of a curve; null with fewer than 10 positives or 10 negatives'),
});

const cell = z
  .strictObject({
    cell: z.record(z.string(), z.string()).describe('Value of each axis of the grouping'),
    images: count,
    patients: count,
    positives: count,
    negatives: count,
    errors: count.describe('Of those below: false positives, or false negatives'),
    of: count.describe('Images that could be such an error: negatives, or positives'),
    ofPatients: count.describe('Patients with such an image'),
    rate: rate.nullable().describe('errors / of; null where of is 0'),
    smoothed: rate.describe('(errors + 0.5) / (of + 1)'),
    auroc: z.number().nullable().describe('Null with fewer than 10 positives or 10 negatives'),
    brier: z.number().nullable().describe('As auroc'),
    calibrationError: z.number().nullable().describe('As auroc'),
    counted: z.boolean().describe('Whether the gap counts it: of >= 20, ofPatients >= 10, and no axis of it unknown'),
  })
  .refine(({ errors, of }) => errors <= of, { path: ['errors'], error: 'is more than of' });

const disparity = z.strictObject({
  label: z.string(),
  rate: z
    .enum(['FalsePositiveRate', 'FalseNegativeRate'])
    .describe('Of no-finding, FalsePositiveRate is underdiagnosis and FalseNegativeRate overdiagnosis'),
  operatingPoint: z
    .enum(['Validation', 'MatchedSensitivity'])
    .describe(
      'Threshold: F1-optimal on validation data, or such that 80 % of all that are ill are not called no-finding',
    ),
  grouping: z.array(z.string()).min(1).describe('Axes'),
  cells: z.array(cell),
  gap: estimate
    .nullable()
    .describe('Largest minus smallest smoothed rate of the counted cells; null with fewer than two'),
  robustGap: estimate.nullable().describe('90th minus 10th percentile of the same rates'),
  countedCells: count,
  expectedGap: z
    .number()
    .nullable()
    .describe('Mean of the gap when patients swap their groups within site and rarest finding: no effect of groups'),
  excess: z.number().nullable().describe('gap minus expectedGap'),
  pValue: rate.nullable().describe('Share of such swaps with a gap at least as large'),
  betweenSd: z
    .strictObject({ value: z.number(), low: z.number(), high: z.number() })
    .nullable()
    .describe('Standard deviation of the true rates of all known cells, by random effects; site and finding taken out'),
  worst: z
    .strictObject({ cell: z.record(z.string(), z.string()), of: count, ofPatients: count, rate })
    .nullable()
    .describe('Cell of the highest rate once each is drawn to the mean as far as it is noise'),
});

const leftOut = z.strictObject({
  what: z.string().describe('auroc, gap, axis, label or threshold'),
  label: z.string().optional(),
  cell: z.record(z.string(), z.string()).optional(),
  reason: z.string(),
});

const evaluationSchema = z.strictObject({
  model: z.string(),
  site: z.string().describe('A site, pooled, or validation'),
  images: count,
  patients: count,
  labels: z.array(labelScores),
  macro: z.strictObject({ auroc: estimate.nullable(), accuracy: estimate, calibrationError: estimate }),
  underdiagnosis: estimate.nullable().describe('False positive rate of no-finding over all images'),
  overdiagnosis: estimate.nullable().describe('False negative rate of no-finding over all images'),
  disparities: z.array(disparity),
  equalisedOdds: z
    .array(z.strictObject({ label: z.string(), grouping: z.array(z.string()).min(1), difference: rate.nullable() }))
    .describe('Larger of the differences of true and false positive rates between cells that count for both'),
  leftOut: z.array(leftOut).describe('What is not measured, and why'),
});

const synthetic = z
  .string()
  .optional()
  .describe('Synthetic cohort of the arm, where the config names several and the arm uses one');

const armSchema = z.strictObject({
  arm: z.enum([...BASELINES, 'PretrainFinetune']),
  synthetic,
  initialisation: z.enum(['Scratch', 'Weights']),
  site: z.string().describe('A site; before them, where there are several, macro, their mean; after them pooled'),
  seeds: z.array(z.strictObject({ seed: count, auroc: z.number().nullable(), gap: z.number().nullable() })),
  auroc: estimate.nullable().describe('Macro, mean over the seeds'),
  accuracy: estimate,
  calibrationError: estimate,
  gap: estimate.nullable().describe('Of underdiagnosis over the finest grouping, mean over the seeds'),
  robustGap: estimate.nullable(),
  underdiagnosis: estimate
    .nullable()
    .describe('False positive rate of no-finding over all images, mean over the seeds'),
  overdiagnosis: estimate.nullable(),
  betweenSd: estimate.nullable().describe('Of underdiagnosis over the finest grouping, as in disparities'),
  matchedBetweenSd: estimate.nullable().describe('The same at the matched sensitivity'),
  countedCells: count.nullable().describe('Of the finest grouping; null for macro, as the next two'),
  expectedGap: z.number().nullable().describe('As in disparities, mean over the seeds'),
  excess: z.number().nullable(),
  cells: z
    .array(
      z.strictObject({
        cell: z.record(z.string(), z.string()),
        of: count,
        smoothed: rate.describe('Mean over the seeds'),
        counted: z.boolean(),
      }),
    )
    .describe('Underdiagnosis over the finest grouping'),
});

const primarySchema = z.strictObject({
  arm: z.enum(['PretrainFinetune']),
  synthetic,
  minus: z.enum(BASELINES),
  initialisation: z.enum(['Scratch', 'Weights']),
  endpoint: z.enum(ENDPOINTS),
});

const contrastSchema = z.strictObject({
  arm: z.enum([...BASELINES, 'PretrainFinetune']),
  minus: z.enum([...BASELINES, 'PretrainFinetune']).describe('Itself, with the first synthetic cohort, too'),
  synthetic,
  minusSynthetic: synthetic,
  initialisation: z.enum(['Scratch', 'Weights']),
  site: z.string(),
  endpoint: z.enum(ENDPOINTS),
  value: z.number().describe('Mean over the seeds of arm minus the other'),
  low: z.number(),
  high: z.number().describe('Ends of the 95 % interval that seeds and patients leave open together'),
  primary: z.boolean().describe('Whether it is the end point that was declared'),
  pAdjusted: rate
    .nullable()
    .describe('Of the primary end point as it is; of the others on the same site by Holm within them; else null'),
});

const curveSchema = z.strictObject({
  arm: z.string(),
  synthetic,
  initialisation: z.enum(['Scratch', 'Weights']),
  seed: count,
  points: z.array(z.strictObject({ step: count, validationLoss: z.number(), validationAuroc: z.number().nullable() })),
});

const historySchema = z.strictObject({
  step: count,
  trainLoss: z.number().nullable(),
  validationLoss: z.number(),
  validationAuroc: z.number().nullable(),
  learningRate: z.number(),
});

export const metricsSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/metrics/v2', {
    error: ({ input }) =>
      `is ${String(input).slice(0, 60)}, from another version of CohortFarm; train again to replace it`,
  }),
  stage: z.strictObject({ name: z.string(), type: z.enum(['Pretrain', 'Finetune', 'Evaluate', 'Compare', 'Audit']) }),
  configDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('SHA-256 of the config without the place of its output'),
  model: z.strictObject({
    architecture: z.string().optional().describe('Not for Audit'),
    imageSize: count.optional().describe('Not for Audit'),
    labels: z.array(z.string()),
    trainedOn: z
      .array(z.string())
      .optional()
      .describe(
        'Data sets that the generator and the gates of its synthetic images were trained on, as far as declared',
      ),
  }),
  headline: z.record(z.string(), z.number()).meta({ maxProperties: 16 }).describe('What goes into the status'),
  training: z
    .strictObject({
      steps: count.describe('Optimizer steps taken'),
      bestStep: count.describe('Step whose weights are the result: the best validation by selectBy'),
      selectBy: z.enum(SELECTIONS).optional().describe('Validation result by which weights were kept'),
      plannedSteps: count,
      stoppedEarly: z.boolean(),
      resumed: count.describe('How often it went on from a checkpoint'),
      processes: count,
      seconds: z.number(),
      parameters: count,
      train: z.strictObject({ images: count, patients: count }),
      validation: z.strictObject({ images: count, patients: count }),
      history: z.array(historySchema),
    })
    .optional(),
  evaluations: z.array(evaluationSchema),
  comparison: z
    .strictObject({
      realSteps: count.describe('Optimizer steps of finetuning, and of the arms on real images alone'),
      syntheticSteps: count.describe('Steps of pretraining'),
      equalComputeSteps: count.describe(
        'Steps of RealOnlyEqualCompute and Mixed: as many images as PretrainFinetune sees in all',
      ),
      mixedShare: z.number().optional().describe('Share of synthetic images in a batch of Mixed'),
      replayShare: z
        .number()
        .optional()
        .describe('Share of synthetic images in a batch in which PretrainFinetuneReplay is finetuned'),
      batchSize: count,
      arms: z.array(armSchema),
      primary: primarySchema.describe('Declared in the config'),
      contrasts: z.array(contrastSchema),
      curves: z.array(curveSchema).describe('Validation of the last run of each arm'),
    })
    .optional(),
});
export type Metrics = z.infer<typeof metricsSchema>;
