import { z } from 'zod';
import { bin, label, passThrough, uri } from './text.ts';

/** `spec.training`: what is trained on the dataset once it is published, and on what it is measured. */

/** The networks that have names of their own; those of timm are called timm/NAME. */
const ARCHITECTURES = ['densenet121', 'resnet18', 'resnet50', 'cnn-small'];
export const architecture = z
  .string()
  .regex(
    new RegExp(`^(${ARCHITECTURES.join('|')}|timm/[a-z0-9][a-z0-9_.]{0,99})$`),
    `must be ${ARCHITECTURES.join(', ')}, or timm/NAME for a network of timm, such as timm/convnext_tiny`,
  );
/** Begins weights that timm publishes, which the trainer fetches by itself: timm://resnet18.a1_in1k. */
export const TIMM_WEIGHTS = 'timm://';
export const BASELINES = [
  'RealOnly',
  'RealOnlyEqualCompute',
  'RealOnlyReweighted',
  'RealOnlyGroupDRO',
  'Mixed',
  'MixedFinetune',
  'SyntheticOnly',
  'PretrainFinetuneReplay',
  'PretrainFinetuneBalanced',
] as const;
export const IMAGE_FITS = ['Crop', 'Letterbox'] as const;
const PRECISIONS = ['auto', 'float32', 'bfloat16', 'float16'] as const;
export const SELECTIONS = ['Loss', 'Auroc'] as const;

/** Measures that arms of a comparison are contrasted in. */
export const ENDPOINTS = ['auroc', 'underdiagnosis', 'betweenSd', 'matchedBetweenSd'] as const;

/** The step that trains the runs of a comparison side by side, where it does. */
export const COMPARE_RUNS = 'compare-runs';

/** Folders of results next to those of the stages. */
export const RESERVED_STAGES = ['evaluate', 'compare'] as const;
/** All sites together, in the metrics. */
export const POOLED = 'pooled';
/** The mean over the sites. */
export const MACRO = 'macro';
export const MAX_STAGES = 32;
/** Synthetic cohorts of a comparison. */
export const MAX_COHORTS = 16;

/** Hyperparameters of one stage. One that is not given has the trainer's own default, which docs/training.md lists. */
export const hyperparametersSchema = z.strictObject({
  epochs: z.int().min(1).max(100_000).optional().describe('Passes over the training images; default: 50'),
  steps: z.int().min(1).max(1e9).optional().describe('Optimizer steps, instead of epochs'),
  batchSize: z.int().min(1).max(65_536).default(32).describe('Images in one step of all processes together'),
  learningRate: z
    .number()
    .min(0)
    .max(10)
    .optional()
    .describe('Peak of the cosine schedule; default: 0.0001, and 0.00005 for Finetune'),
  weightDecay: z.number().min(0).max(10).default(0.01).describe('Of AdamW'),
  decayNorms: z
    .boolean()
    .optional()
    .describe('Whether weight decay also takes norms and biases; default: true, and false for timm/NAME'),
  layerDecay: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('Each group of layers learns at so much of the rate of the one after it; default: 1'),
  warmupSteps: z.int().min(0).max(1e9).optional().describe('Steps over which the learning rate rises; default: 0'),
  probeSteps: z
    .int()
    .min(0)
    .max(1e9)
    .optional()
    .describe('First steps, in which only the last layer is trained; default: 0'),
  freezeNorms: z
    .boolean()
    .optional()
    .describe('Keeps norms and their running means as they were at the beginning; default: false'),
  ema: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Decay of a moving average of the weights, such as 0.999, which is then what is measured and kept'),
  clipNorm: z.number().gt(0).max(1e6).optional().describe('The most that the norm of a gradient may be'),
  microBatch: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe('Images that a process computes at once; gradients of a step are added up; default: all of the step'),
  selectBy: z.enum(SELECTIONS).optional().describe('Validation result by which weights are kept; default: Loss'),
  compile: z.boolean().optional().describe('Compiles the network with torch.compile; default: false'),
  channelsLast: z.boolean().optional().describe('Lays channels last in memory; default: false'),
  deterministic: z
    .boolean()
    .optional()
    .describe('Takes only kernels that give the same result each time, on a GPU, too; default: false'),
  patience: z
    .int()
    .min(0)
    .max(100_000)
    .default(20)
    .describe('Validations without a better result, by selectBy, before it stops; 0: never'),
  validationShare: z
    .number()
    .min(0.01)
    .max(0.9)
    .default(0.1)
    .describe('Share of the patients to validate on, where the data names no split of its own'),
  validateSteps: z.int().min(1).max(1e9).optional().describe('Steps between validations; default: one epoch'),
  classWeights: z.boolean().default(true).describe('Weighs rare findings up in the loss'),
  flip: z
    .boolean()
    .optional()
    .describe('Mirrors half of the training images; default: true, and false where a label names a side'),
  rotation: z.number().min(0).max(180).default(15).describe('Turns training images by up to so many degrees'),
  augmentation: z
    .strictObject({
      translate: z.number().min(0).max(0.5).optional().describe('Shifts by up to so much of the side'),
      scale: z.number().min(0).max(4).optional().describe('Scales to 1 / (1 + so much) to 1 + so much of the size'),
      shear: z.number().min(0).max(60).optional().describe('Shears by up to so many degrees'),
      brightness: z.number().min(0).max(1).optional().describe('Adds or takes away up to so much of the range of grey'),
      contrast: z.number().min(0).max(4).optional().describe('Multiplies contrast by 1 / (1 + so much) to 1 + so much'),
      gamma: z.number().min(0).max(4).optional().describe('Raises grey to a power of 1 / (1 + so much) to 1 + so much'),
      blur: z.number().min(0).max(16).optional().describe('Standard deviation of a Gaussian, up to so many pixels'),
      noise: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe('Standard deviation of normal noise, up to so much of the range'),
      erase: z.number().min(0).max(1).optional().describe('Chance that a rectangle of an image is erased'),
    })
    .optional()
    .describe('Further changes to training images, drawn for each image; default: none'),
  precision: z.enum(PRECISIONS).default('auto').describe('Of the arithmetic; auto takes 16 bits on a GPU'),
  loaderWorkers: z
    .int()
    .min(0)
    .max(256)
    .optional()
    .describe('Processes that load images, for each training process; default: one for each of its CPUs, at most 16'),
  checkpointSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('Seconds between checkpoints: the most that a killed stage loses'),
});

/** Parts of a split. */
export const PARTS = ['train', 'validation', 'test'] as const;

/** Public chest X-ray sets that are read as their authors publish them (docs/training.md). */
export const PRESETS = ['mimic-cxr-jpg', 'chexpert', 'nih-cxr14', 'padchest', 'vindr-cxr'] as const;

const column = z.strictObject({
  name: z.string().min(1).describe('Header in the CSV'),
  values: z
    .record(z.string(), z.string())
    .optional()
    .describe('What its values mean, by value; others stay as they are'),
  separator: z.string().min(1).max(8).optional().describe('Between several findings; default: | or ;'),
});

/** Choices for a finding that is uncertain (-1). */
const UNCERTAIN = ['ignore', 'ones', 'zeros'] as const;

/** Choices for a finding that a prompt does not name. */
const UNNAMED = ['Absent', 'Unknown'] as const;

/** A table beside the CSV of a folder. */
export const tableSchema = z.strictObject({
  uri: uri.describe('CSV or Excel file'),
  on: z
    .array(z.string().min(1))
    .min(1)
    .max(8)
    .optional()
    .describe('Headers that it shares with the CSV of the folder; not for tables that the preset knows by name'),
});

/** Reading of a folder of real images, as far as its CSV leaves it open. */
export const sourceSchema = z.strictObject({
  preset: z
    .enum(PRESETS)
    .optional()
    .describe('Public set whose tables, headers and values are read as published; the other fields go before it'),
  tables: z
    .array(tableSchema)
    .max(16)
    .optional()
    .describe('Tables to join that lie elsewhere, such as those of MIMIC-IV'),
  partial: z
    .boolean()
    .optional()
    .describe('Whether rows whose image is not there are left out, as of a set that is here in part; else an error'),
  holdOut: z
    .strictObject({ share: z.number().gt(0).max(1).describe('Share of the patients') })
    .optional()
    .describe('Patients to keep for testing, drawn by a hash of their number, in place of a split of the set'),
  findings: z
    .record(label, z.array(z.string().min(1)).min(1))
    .optional()
    .describe('Other names of findings, by label'),
  site: label
    .optional()
    .describe('Hospital of the images that name none: patients of one number are one person where it is the same'),
  unnamed: z
    .enum(UNNAMED)
    .optional()
    .describe(
      'Findings that the prompt of a synthetic image does not name: Absent (default), or Unknown, which counts in no loss',
    ),
  complete: z
    .boolean()
    .optional()
    .describe('Whether the columns of findings are all that was looked for: an image without any then has no-finding'),
  columns: z
    .strictObject({
      image: column.optional().describe('Path of the image'),
      patient: column.optional().describe('Number of the patient'),
      sex: column.optional().describe('female or male'),
      age: column.optional().describe('Years'),
      race: column.optional().describe('Race or ethnicity'),
      findings: column.optional().describe('All findings of an image, where they are in one column'),
      split: column.optional().describe('train, validation or test'),
      site: column.optional().describe('Hospital'),
      view: column.optional().describe('View, such as PA'),
    })
    .optional()
    .describe('Columns of the CSV that have other headers or values than those that are known'),
  filter: z
    .strictObject({ view: z.array(z.string().min(1)).min(1).describe('Views to keep, such as PA and AP') })
    .optional()
    .describe('Images to take; others are left out'),
  uncertain: z
    .record(z.string(), z.enum(UNCERTAIN))
    .optional()
    .describe(
      'Uncertain findings (-1) by label, or for all others under default: ignore (as not known), ones or zeros',
    ),
});

const runtimeRef = z.strictObject({
  apiGroup: z.enum(['trainer.kubeflow.org']).optional().describe('Its API group'),
  kind: z
    .enum(['ClusterTrainingRuntime', 'TrainingRuntime'])
    .optional()
    .describe('Of the cluster, which is the default, or of the namespace of the dataset'),
  name: z.string().min(1).max(253).describe('Its name'),
});

const stage = z.strictObject({
  name: label.describe('Its name; results go to training/NAME/ below the output'),
  type: z
    .enum(['Pretrain', 'Finetune'])
    .describe('Pretrain: on the synthetic images; Finetune: on real ones, from an earlier stage'),
  from: label.optional().describe('Earlier stage whose weights this one begins with'),
  data: uri
    .optional()
    .describe(
      'Finetune: folder of real images (WebDataset shards or a CSV), or of such folders; for Pretrain the default is the synthetic dataset',
    ),
  source: sourceSchema.optional().describe('How the data is read'),
  hyperparameters: hyperparametersSchema.prefault({}).describe('How it is trained'),
  image: z.string().min(1).optional().describe('Container image of the trainer'),
  resources: passThrough.optional().describe('Requests and limits of each trainer pod, as in a Pod'),
  nodes: z.int().min(1).max(10_000).default(1).describe('Pods that train together'),
  processesPerNode: z.int().min(1).max(64).default(1).describe('Processes in each pod, usually one for each GPU'),
  args: z.array(z.string()).optional().describe('Arguments of the trainer'),
  env: z.array(passThrough).optional().describe('Environment variables of the trainer, as in a Pod'),
  podTemplate: passThrough
    .optional()
    .describe('Strategic merge patch over the pod template of the stage; not with runtimeRef'),
  runtimeRef: runtimeRef.optional().describe('Runtime of Kubeflow Trainer; the stage is then a TrainJob'),
});

/** The share of synthetic images in a batch that holds real ones, too. */
export const batchShare = z.number().gt(0).lt(1).optional();

export const primarySchema = z.strictObject({
  minus: z
    .enum(BASELINES)
    .optional()
    .describe(
      'Baseline of compare that PretrainFinetune is contrasted with, not SyntheticOnly; default: Mixed, else RealOnly, else the first',
    ),
  endpoint: z
    .enum(ENDPOINTS)
    .default('auroc')
    .describe('Measure, as a mean over the sites; betweenSd is of underdiagnosis between the finest subgroups'),
  initialisation: z
    .enum(['Scratch', 'Weights'])
    .optional()
    .describe('Beginning of the networks; default: Weights where weights are given'),
  synthetic: label.optional().describe('Synthetic cohort, where several are compared; default: the first'),
});

export const trainingSchema = z.strictObject({
  architecture: architecture
    .default('densenet121')
    .describe('The network of all stages: densenet121, resnet18, resnet50, cnn-small, or timm/NAME'),
  imageSize: z.int().min(32).max(1024).default(224).describe('Pixels: images are made squares of this size'),
  imageFit: z
    .enum(IMAGE_FITS)
    .optional()
    .describe('Crop (default): the shorter side is scaled, the middle is taken; Letterbox: the longer side is scaled'),
  labels: z
    .array(label)
    .min(1)
    .max(64)
    .optional()
    .describe('Findings to learn, beside no-finding; default: those of the axis finding'),
  ageBins: z.array(bin).min(1).max(64).optional().describe('Subgroups of age; default: those of the axis age'),
  weights: uri
    .optional()
    .describe(
      'Weights that stages without from begin with, such as those of ImageNet, or timm://NAME; default: random ones',
    ),
  stages: z.array(stage).max(MAX_STAGES).default([]).describe('What is trained, each on what the one before left'),
  evaluation: z
    .strictObject({
      sites: z
        .array(
          z.strictObject({
            name: label.describe('Its name in the metrics'),
            uri: uri.describe('Folder of its labelled real images'),
            source: sourceSchema.optional().describe('How it is read'),
          }),
        )
        .max(100)
        .describe('Hospitals or cohorts, each evaluated on its own'),
      bootstraps: z.int().min(100).max(100_000).default(1000).describe('Resamples of the patients for the intervals'),
    })
    .optional()
    .describe('Real test sets that no stage trains on'),
  compare: z
    .array(z.enum(BASELINES))
    .max(BASELINES.length)
    .default([])
    .describe('Baselines to train and evaluate beside the stages'),
  synthetic: z
    .array(
      z.strictObject({
        name: label.describe('Its name in the metrics'),
        uri: uri
          .optional()
          .describe('Published dataset; default: what the Pretrain stage trains on, usually this dataset'),
      }),
    )
    .min(1)
    .max(MAX_COHORTS)
    .optional()
    .describe(
      'Synthetic cohorts with each of which the arms that use one are run, such as a balanced one and a matched one',
    ),
  compareParallelism: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'Pods that train the arms of the comparison side by side, where no runtimeRef is named; default: one pod, one run after another',
    ),
  mixedShare: batchShare.describe(
    'Share of synthetic images in each batch of Mixed and MixedFinetune; default: as many of each kind as PretrainFinetune sees',
  ),
  replayShare: batchShare.describe(
    'Share of synthetic images in each batch in which PretrainFinetuneReplay is finetuned; default: 0.2',
  ),
  primary: primarySchema
    .optional()
    .describe('The one contrast that the comparison is made for; all others are corrected for being many'),
  seeds: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Runs of each arm of the comparison, each with a seed and a validation split of its own'),
});
