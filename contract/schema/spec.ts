import { z } from 'zod';
import { API_VERSION, KIND } from '../names.ts';

/** The `SyntheticDataset` resource as users write it. Descriptions are what `kubectl explain` shows. */

const TEXT = 4096;
export const printable = z
  .string()
  .max(TEXT, `must have at most ${TEXT} characters`)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters, line breaks or halves of characters');
export const label = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label: a-z, 0-9 and -, at most 63');
export const phrase = printable.min(1, 'must not be empty');
const uri = printable.min(1);
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
export const axisName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a-z, 0-9 and _, at most 32, a letter first');
export const axisValue = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9_.+ -]{0,61}[A-Za-z0-9+])?$/,
    'must be letters, digits, "_ . + -" or blanks, at most 63',
  );
export const bin = z
  .string()
  .regex(
    /^(0|[1-9]\d{0,5})-(0|[1-9]\d{0,5})$/,
    'must be LOW-HIGH in whole numbers, both included, such as "18-39" (no blanks, no leading zeros)',
  );
const cellMap = z.record(axisName, axisValue);

/** Any Kubernetes fragment that CohortFarm passes on to the API server without reading it. */
const passThrough = z.record(z.string(), z.unknown());

export const axisSchema = z
  .strictObject({
    values: z.array(axisValue).min(1).max(1000).optional().describe('Names of the categories'),
    bins: z.array(bin).min(1).max(1000).optional().describe('Inclusive ranges of whole numbers that do not overlap'),
  })
  .describe('One axis of the quota grid: either values or bins');

export const columnSchema = z.strictObject({
  name: z.string().min(1).describe('Header of the CSV column'),
  values: z.record(z.string(), axisValue).optional().describe('From what the CSV says to the axis value'),
  separator: z.string().min(1).max(8).optional().describe('Splits a cell that names several values, such as "|"'),
});

const cohort = z
  .strictObject({
    uri: uri.describe('CSV (or .csv.gz) with one row per real image'),
    columns: z.record(axisName, columnSchema).describe('For each axis the column that holds it'),
  })
  .describe('A real cohort whose gaps the synthetic images fill');

const table = z
  .strictObject({
    uri: uri.describe('CSV (or .csv.gz) with one row per wanted image'),
    columns: z.record(axisName, columnSchema).describe('For each axis the column that holds it'),
    idColumn: z.string().min(1).optional().describe('Column whose text goes into the record as sourceId'),
    impressionColumn: z.string().min(1).optional().describe('Column that fills {impression} of the template'),
  })
  .describe('A list of wanted images');

export const STRATEGIES = ['Balanced', 'Marginals', 'Cells', 'Complement', 'Table'] as const;

export const allocationSchema = z.strictObject({
  strategy: z.enum(STRATEGIES).default('Balanced').describe('How samples are shared among the allowed cells'),
  shares: z
    .record(axisName, z.record(z.string(), z.number().min(0).max(1)))
    .optional()
    .describe('Marginals: for each axis the share of each value; an axis left out is shared evenly'),
  cells: z
    .array(z.strictObject({ cell: cellMap, weight: z.number().min(0).max(1e12) }))
    .max(100_000)
    .optional()
    .describe(
      'Cells: weights; an axis left out of a cell stands for all its values, and each cell so named gets the weight',
    ),
  cohort: cohort.optional(),
  table: table.optional(),
});

/** Keys have nine digits. */
const MAX_SAMPLES = 1e9;

export const quotaSchema = z.strictObject({
  samples: z.int().min(1).max(MAX_SAMPLES).optional().describe('Accepted images wanted; for Table the number of rows'),
  axes: z
    .record(axisName, axisSchema)
    .describe('The axes of the grid; sex, age, race and finding are the standard ones'),
  allocation: allocationSchema.prefault({}),
  exclude: z.array(cellMap).max(10_000).default([]).describe('Cells that make no sense, by any subset of the axes'),
  minPerCell: z.int().min(0).max(1e9).default(0).describe('No allowed cell gets fewer'),
});

export const promptSchema = z.strictObject({
  template: printable
    .min(1)
    .default('{age} year old {race} {sex}. {impression}')
    .describe('Axis names in braces are replaced by the value, {impression} by a phrase for the finding'),
  impressions: z
    .record(axisValue, z.array(phrase).min(1).max(10_000))
    .optional()
    .describe('Phrases for each value of the finding axis, used in turn'),
  impressionsFrom: z.strictObject({ uri: uri.describe('CSV with the columns finding and impression') }).optional(),
});

/** Names of the samplers, as `diffusers` users abbreviate them. */
export const SCHEDULERS = ['PNDM', 'DDIM', 'Euler', 'DPMSolver++', 'UniPC'] as const;
const pixels = z.int().min(64).max(4096).multipleOf(8);

export const samplingSchema = z.strictObject({
  scheduler: z.enum(SCHEDULERS).optional().describe("Default: the model's own scheduler"),
  steps: z.int().min(1).max(1000).default(50),
  guidanceScale: z.number().min(0).max(100).default(7.5),
  negativePrompt: printable.default(''),
  height: pixels.optional().describe("Pixels; default: the model's own size"),
  width: pixels.optional().describe("Pixels; default: the model's own size"),
});

const model = z.strictObject({
  uri: uri.describe('Folder in the diffusers layout exported to ONNX: s3://, file://, a path, or embedded:NAME'),
  sha256: digest.optional().describe('Refuse any other model'),
  executionProvider: z.enum(['auto', 'cuda', 'cpu']).default('auto'),
  sampling: samplingSchema.prefault({}),
});

export const gateSchema = z.strictObject({
  name: label,
  axis: axisName.describe('The axis whose wanted value the image must show'),
  type: z.enum(['Classifier', 'Regressor']),
  modelUri: uri.describe('Folder with model.onnx and gate.json'),
  sha256: digest.optional(),
  classes: z
    .array(axisValue)
    .min(1)
    .max(1000)
    .optional()
    .describe("Classifier: its outputs in order; default: gate.json's"),
  multiLabel: z.boolean().default(false).describe('Classifier: the classes do not exclude each other'),
  minProbability: z.number().min(0).max(1).default(0.5).describe('Classifier: least probability of the wanted class'),
  tolerance: z.number().min(0).optional().describe('Regressor: largest distance from the wanted number'),
  appliesTo: z.array(axisValue).min(1).optional().describe('Values of the axis that this gate judges; default: all'),
});

export const qualitySchema = z.strictObject({
  maxAttempts: z.int().min(1).max(10_000).default(8).describe('Images tried for one sample'),
  onExhausted: z.enum(['Fail', 'Shortfall']).default('Fail').describe('What to do when no attempt passes'),
  keepRejected: z.int().min(0).max(1000).default(0).describe('Rejected images to keep for each cell, under rejected/'),
  gates: z.array(gateSchema).max(32).default([]),
});

export const outputSchema = z.strictObject({
  uri: uri.describe('Where the dataset goes: s3://bucket/prefix, file:// or a path'),
  s3: z
    .strictObject({
      endpoint: z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' }).optional(),
      region: z.string().min(1).optional(),
      forcePathStyle: z.boolean().optional(),
      credentialsSecretRef: z.strictObject({ name: z.string().min(1) }).optional(),
    })
    .optional()
    .describe('All optional: the default AWS chain applies'),
  image: z
    .strictObject({
      format: z.enum(['jpeg', 'png']).default('jpeg'),
      quality: z.int().min(1).max(100).default(95).describe('JPEG only'),
    })
    .prefault({}),
  shard: z.strictObject({ samples: z.int().min(1).max(100_000).default(1000) }).prefault({}),
});

const workers = z.strictObject({
  replicas: z.int().min(1).max(10_000).default(1),
  gpus: z.int().min(0).max(64).default(0),
  image: z.string().min(1).optional(),
  batchSize: z.int().min(1).max(1024).default(4),
  checkpointSamples: z.int().min(1).max(100_000).default(64),
  resources: passThrough.optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
  tolerations: z.array(passThrough).optional(),
  queueName: z.string().min(1).optional(),
  podTemplate: passThrough.optional(),
});

const stage = z.strictObject({
  name: label,
  type: z.enum(['Pretrain', 'Finetune']),
  from: label.optional(),
  data: uri.optional(),
  image: z.string().min(1).optional(),
  resources: passThrough.optional(),
  nodes: z.int().min(1).default(1),
  processesPerNode: z.int().min(1).default(1),
  args: z.array(z.string()).optional(),
  env: z.array(passThrough).optional(),
  podTemplate: passThrough.optional(),
  runtimeRef: passThrough.optional(),
});

const training = z.strictObject({
  stages: z.array(stage).max(32).default([]),
  evaluation: z.strictObject({ sites: z.array(z.strictObject({ name: label, uri })).max(100) }).optional(),
  compare: z.array(z.enum(['RealOnly', 'Mixed', 'SyntheticOnly'])).default([]),
});

export const specSchema = z.strictObject({
  seed: z.int().min(0).default(0).describe('Decides every image; another seed is another dataset'),
  suspend: z.boolean().default(false),
  quota: quotaSchema,
  prompt: promptSchema.prefault({}),
  model,
  quality: qualitySchema.prefault({}),
  output: outputSchema,
  workers: workers.prefault({}),
  training: training.optional(),
  deletionPolicy: z.enum(['Retain', 'Delete']).default('Retain'),
  ttlSecondsAfterFinished: z.int().min(0).optional(),
});

export const datasetSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal(KIND),
  metadata: z.looseObject({ name: label, namespace: label.optional() }),
  spec: specSchema,
  status: z.unknown().optional().describe('Written by the operator'),
});

export type SyntheticDataset = z.infer<typeof datasetSchema>;
export type Spec = z.infer<typeof specSchema>;
export type Quota = z.infer<typeof quotaSchema>;
export type Gate = z.infer<typeof gateSchema>;
export type ColumnMap = Readonly<Record<string, z.infer<typeof columnSchema>>>;
