import { z } from 'zod';
import { bin, label } from './text.ts';
import {
  architecture,
  BASELINES,
  batchShare,
  hyperparametersSchema,
  IMAGE_FITS,
  PARTS,
  primarySchema,
  sourceSchema,
  tableSchema,
} from './training.ts';

/**
 * The file that a trainer container is started with (docs/training.md): what to train or measure, on what, and where the
 * results go. URIs are s3://, file:// or absolute paths. trainer/ has it as a JSON Schema.
 */

const uri = z.string().min(1);
const data = z
  .array(uri)
  .min(1)
  .describe('Folders of labelled images, or of such folders: the trainer finds out what each is');

/** Python knows no Unicode classes in patterns. */
const source = sourceSchema.extend({ tables: z.array(tableSchema.extend({ uri })).optional() });

const trainSchema = z.strictObject({
  data,
  source: source.optional().describe('How real images are read'),
  hyperparameters: hyperparametersSchema.extend({ flip: z.boolean().default(true) }).describe('How it is trained'),
});

export const stageConfigSchema = z.strictObject({
  apiVersion: z.literal('cohortfarm.dev/stage/v1'),
  name: label.describe('Name of the stage'),
  type: z.enum(['Pretrain', 'Finetune', 'Evaluate', 'Compare', 'Audit', 'Check']).describe('What to do'),
  output: uri.describe('Folder of this stage: OUTPUT/training/NAME'),
  s3: z
    .strictObject({
      endpoint: z.string().optional(),
      region: z.string().optional(),
      forcePathStyle: z.boolean().optional(),
    })
    .default({})
    .describe('How S3 is reached; credentials come from the default AWS chain'),
  seed: z.int().min(0).default(0).describe('Of weights, order and augmentation'),
  architecture: architecture.optional().describe('For all but Audit'),
  imageSize: z.int().min(32).max(1024).optional().describe('For all but Audit'),
  imageFit: z.enum(IMAGE_FITS).optional().describe('How images become squares; default: Crop'),
  labels: z
    .array(label)
    .min(1)
    .optional()
    .describe('For all but Audit: findings, without no-finding, which always comes first'),
  ageBins: z.array(bin).min(1).describe('Subgroups of age'),
  bootstraps: z.int().min(100).default(1000),
  weights: uri
    .optional()
    .describe('model.pt of another stage, or a state_dict, to begin with; for Compare: the given weights'),
  train: trainSchema.optional().describe('Pretrain, Finetune'),
  models: z
    .array(z.strictObject({ name: label, uri }))
    .optional()
    .describe('Evaluate: model.pt of each stage'),
  predictions: uri.optional().describe('Audit: a table of predictions, in Parquet or CSV (docs/training.md)'),
  sites: z
    .array(z.strictObject({ name: label, uri, source: source.optional() }))
    .optional()
    .describe('Evaluate, Compare: real test sets'),
  checks: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Field of the spec that names it'),
        use: z.enum(['Training', 'Test']),
        data,
        source: source.optional(),
        validationShare: z.number().default(0.1),
      }),
    )
    .min(1)
    .optional()
    .describe('Check: real data to read and count'),
  trainedOn: z
    .array(z.strictObject({ dataset: label, split: z.enum(PARTS).optional(), patients: uri.optional() }))
    .optional()
    .describe('Check: what the generator and its gates were trained on'),
  compare: z
    .strictObject({
      baselines: z.array(z.enum(BASELINES)).min(1),
      seeds: z.int().min(1),
      primary: primarySchema.optional().describe('The declared contrast'),
      mixedShare: batchShare.describe('Share of synthetic images in a batch of Mixed'),
      replayShare: batchShare.describe(
        'Share of synthetic images in a batch in which PretrainFinetuneReplay is finetuned',
      ),
      synthetic: z
        .array(z.strictObject({ name: label, data }))
        .min(1)
        .optional()
        .describe('Synthetic cohorts, each in place of the data of pretrain'),
      shares: z
        .int()
        .min(1)
        .optional()
        .describe('Train only, and of so many shares of the runs only the one of COHORTFARM_SHARE, counted from 0'),
      runs: uri.optional().describe('Folder of the runs, where other pods have trained them; default: output'),
      pretrain: trainSchema,
      finetune: trainSchema,
    })
    .optional()
    .describe('Compare: the arms, and the stages whose data and hyperparameters they take'),
});
export type StageConfig = z.infer<typeof stageConfigSchema>;
export type StageConfigInput = z.input<typeof stageConfigSchema>;
