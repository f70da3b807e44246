import { z } from 'zod';
import { API_VERSION, DEGENERATE, KIND } from '../names.ts';
import { activationSchema, GATE_TYPE_NAMES, gateInputSchema } from './gate.ts';
import { bin, label, passThrough, printable, uri } from './text.ts';
import { PARTS, trainingSchema } from './training.ts';

/** The `SyntheticDataset` resource as users write it. Descriptions are what `kubectl explain` shows. */

/*
 * `meta` states bounds that follow from a pattern or from the checks of meaning: the API server wants them as numbers, to
 * judge beforehand what a rule may cost.
 */

export const phrase = printable.min(1, 'must not be empty');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
export const axisName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a-z, 0-9 and _, at most 32, a letter first')
  .meta({ maxLength: 32 });
export const axisValue = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9_.+ -]{0,61}[A-Za-z0-9+])?$/,
    'must be letters, digits, "_ . + -" or blanks, at most 63',
  )
  .meta({ maxLength: 63 });
/** A grid has 2^axes kinds of partial cells; cohorts are not read by more axes than this. */
export const MAX_AXES = 16;
const MAX_VALUES = 1000;
const MAX_COMBINATIONS = 64;
const cellMap = z.record(axisName, axisValue).meta({ maxProperties: MAX_AXES });

export const axisSchema = z
  .strictObject({
    values: z.array(axisValue).min(1).max(MAX_VALUES).optional().describe('Names of the categories'),
    bins: z
      .array(bin)
      .min(1)
      .max(MAX_VALUES)
      .optional()
      .describe('Inclusive ranges of whole numbers that do not overlap'),
    combinations: z
      .array(z.array(axisValue).min(2).max(6))
      .min(1)
      .max(MAX_COMBINATIONS)
      .optional()
      .describe(
        'Values that an image shows together, such as [edema, effusion]; elsewhere in the spec its name is edema+effusion',
      ),
  })
  .describe('One axis of the quota grid: either values or bins');

export const columnSchema = z.strictObject({
  name: z.string().min(1).describe('Header of the CSV column'),
  values: z.record(z.string(), axisValue).optional().describe('From what the CSV says to the axis value'),
  separator: z.string().min(1).max(8).optional().describe('Splits a cell that names several values, such as "|"'),
});

const columns = z
  .record(axisName, columnSchema)
  .meta({ maxProperties: MAX_AXES })
  .describe('For each axis the column that holds it');

const cohort = z
  .strictObject({
    uri: uri.describe('CSV (or .csv.gz) with one row per real image'),
    columns,
  })
  .describe('Complement: a real cohort whose gaps the synthetic images fill');

const table = z
  .strictObject({
    uri: uri.describe('CSV (or .csv.gz) with one row per wanted image'),
    columns,
    idColumn: z.string().min(1).optional().describe('Column whose text goes into the record as sourceId'),
    impressionColumn: z.string().min(1).optional().describe('Column that fills {impression} of the template'),
  })
  .describe('Table: a list of wanted images');

const evaluation = z
  .strictObject({
    uri: uri.describe('metrics.json of an evaluation: of a training stage, or of any model by cohortfarm audit'),
    model: z.string().min(1).max(253).optional().describe('Model to read; needed where the file has several'),
    site: z.string().min(1).max(253).optional().describe('Site to read; default: pooled, or else the only one'),
    groups: z
      .record(
        axisName,
        z.strictObject({
          name: z.string().min(1).max(253).describe('Axis of the evaluation'),
          values: z
            .record(z.string(), axisValue)
            .meta({ maxProperties: MAX_VALUES })
            .optional()
            .describe('From what the evaluation says to the axis value; default: the same; bins may lie inside a bin'),
        }),
      )
      .meta({ maxProperties: MAX_AXES })
      .optional()
      .describe('For each axis the one of the evaluation that groups by it; default: all that both have by name'),
    labels: z
      .record(axisValue, z.string().min(1).max(253))
      .meta({ maxProperties: MAX_VALUES })
      .optional()
      .describe('For each finding its label; one left out counts as overall. Default: every finding by its name'),
    power: z
      .number()
      .min(0)
      .max(4)
      .default(1)
      .describe('How strongly a deficit counts: 1 gives twice as many images where twice as much is missed'),
    maxPerCell: z.int().min(1).max(1e9).optional().describe('No cell gets more'),
  })
  .describe('Deficit: what a model misses, cell by cell');

export const STRATEGIES = ['Balanced', 'Marginals', 'Cells', 'Complement', 'Table', 'Deficit'] as const;

export const allocationSchema = z.strictObject({
  strategy: z.enum(STRATEGIES).default('Balanced').describe('How samples are shared among the allowed cells'),
  shares: z
    .record(axisName, z.record(z.string(), z.number().min(0).max(1)).meta({ maxProperties: MAX_VALUES }))
    .meta({ maxProperties: MAX_AXES })
    .optional()
    .describe('Marginals: for each axis the share of each value; an axis left out is shared evenly'),
  cells: z
    .array(
      z.strictObject({
        cell: cellMap.describe('A value for each of some axes, such as {sex: female, finding: edema}'),
        weight: z.number().min(0).max(1e12).describe('Its share, relative to the other weights'),
      }),
    )
    .max(100_000)
    .optional()
    .describe(
      'Cells: weights; an axis left out of a cell takes all its values, and each cell so named gets the weight',
    ),
  cohort: cohort.optional(),
  table: table.optional(),
  evaluation: evaluation.optional(),
});

/** Keys have nine digits. */
export const MAX_SAMPLES = 1e9;

export const quotaSchema = z.strictObject({
  samples: z.int().min(1).max(MAX_SAMPLES).optional().describe('Accepted images wanted; for Table the number of rows'),
  axes: z
    .record(axisName, axisSchema)
    .meta({ maxProperties: MAX_AXES })
    .describe('The axes of the grid; sex, age, race and finding are the standard ones'),
  allocation: allocationSchema.prefault({}).describe('How the samples are shared among the cells'),
  exclude: z.array(cellMap).max(10_000).default([]).describe('Cells that make no sense, by any subset of the axes'),
  minPerCell: z.int().min(0).max(1e9).default(0).describe('No allowed cell gets fewer'),
  pairs: z
    .strictObject({ axis: axisName.describe('The axis in which the samples of a pair differ, one for each value') })
    .optional()
    .describe('Counterfactual pairs: samples that share everything, seed included, but one axis'),
});

export const promptSchema = z.strictObject({
  template: printable
    .min(1)
    .default('{age} year old {race} {sex}. {impression}')
    .describe('Axis names in braces are replaced by the value, {impression} by a phrase for the finding'),
  impressions: z
    .record(axisValue, z.array(phrase).min(1).max(10_000))
    .meta({ maxProperties: MAX_VALUES })
    .optional()
    .describe('Phrases for each value of the finding axis, used in turn'),
  impressionsFrom: z
    .strictObject({ uri: uri.describe('CSV with the columns finding and impression') })
    .optional()
    .describe('Reads the phrases from a file, instead of impressions'),
});

/** Names of the samplers, as `diffusers` users abbreviate them. */
export const SCHEDULERS = ['PNDM', 'DDIM', 'Euler', 'DPMSolver++', 'UniPC'] as const;
const pixels = z.int().min(64).max(4096).multipleOf(8);

export const samplingSchema = z.strictObject({
  scheduler: z.enum(SCHEDULERS).optional().describe("Default: the model's own scheduler"),
  steps: z.int().min(1).max(1000).default(50).describe('Denoising steps of one image'),
  guidanceScale: z
    .number()
    .min(0)
    .max(100)
    .default(7.5)
    .describe('Weight of the prompt (classifier-free guidance); 1 or less switches guidance off'),
  guidanceInterval: z
    .strictObject({
      start: z.number().min(0).max(1).describe('Share of the steps that come before'),
      stop: z.number().min(0).max(1).describe('Share of the steps at which it ends'),
    })
    .optional()
    .describe('Guide only these steps, such as {start: 0, stop: 0.5}; the others cost half. Default: all'),
  negativePrompt: printable.default('').describe('What guidance leads away from'),
  height: pixels.optional().describe("Pixels; default: the model's own size"),
  width: pixels.optional().describe("Pixels; default: the model's own size"),
});

/** An absolute place, since it is read long after the spec, from the manifest. */
const ABSOLUTE = /^(s3:\/\/[^/]|file:\/\/\/|\/)/;

const trainedOnSchema = z
  .array(
    z.strictObject({
      dataset: label.describe('Name of the data set: that of a preset of training sources, or a hospital (site)'),
      split: z.enum(PARTS).optional().describe('Part of its own split; default: all of it'),
      patients: uri
        .refine((text) => ABSOLUTE.test(text), 'must be s3://BUCKET/KEY, file:///FILE or an absolute path')
        .optional()
        .describe('File of hashed patients, one a line: the first 16 hexadecimal digits of SHA-256 of SITE#NUMBER'),
    }),
  )
  .max(16)
  .optional();

const model = z.strictObject({
  uri: uri.describe('Folder in the diffusers layout exported to ONNX: s3://, file://, a path, or embedded:NAME'),
  sha256: digest.optional().describe('Refuse any other model'),
  executionProvider: z
    .enum(['auto', 'cuda', 'cpu'])
    .default('auto')
    .describe('What runs the model; auto takes the GPU where there is one'),
  sampling: samplingSchema.prefault({}).describe('How an image is drawn from noise'),
  trainedOn: trainedOnSchema.describe('Real data that the model was trained on: no test set may hold it'),
});

export const gateSchema = z.strictObject({
  name: label
    .refine((name) => name !== DEGENERATE, 'is what images that show nothing are counted under; choose another name')
    .describe('Its name in records and reports'),
  axis: axisName.optional().describe('The axis whose wanted value the image must show; not for Novelty'),
  type: z
    .enum(GATE_TYPE_NAMES)
    .describe(
      'Classifier: probabilities of classes; Regressor: one number, such as the age; Novelty: no copy of another image',
    ),
  modelUri: uri.optional().describe('Folder with model.onnx and gate.json; not for Novelty'),
  input: gateInputSchema.optional().describe("How pixels are fed to the graph; default: gate.json's"),
  activation: activationSchema.optional(),
  sha256: digest.optional().describe('Refuse any other gate model'),
  classes: z
    .array(axisValue)
    .min(1)
    .max(1000)
    .optional()
    .describe("Classifier: its outputs in order; default: gate.json's"),
  multiLabel: z.boolean().default(false).describe('Classifier: the classes do not exclude each other'),
  minProbability: z.number().min(0).max(1).default(0.5).describe('Classifier: least probability of the wanted class'),
  tolerance: z.number().min(0).optional().describe('Regressor: largest distance from the wanted number'),
  against: z
    .enum(['Training', 'Cohort'])
    .optional()
    .describe(
      'Novelty: the images of which it must be no copy: the training images of quality.reference, or earlier ones of its shard',
    ),
  threshold: z
    .number()
    .min(0)
    .max(2)
    .optional()
    .describe('Novelty: least cosine distance of features (quality.encoder) from each of those images'),
  quantile: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      'Novelty against Training, in place of threshold: the quantile of the distances of held-out real images from training images',
    ),
  appliesTo: z
    .array(axisValue)
    .min(1)
    .meta({ maxItems: MAX_VALUES })
    .optional()
    .describe('Values of the axis that this gate judges; default: all'),
  enforce: z
    .boolean()
    .optional()
    .describe(
      'Not for Novelty; false: the gate judges all images and refuses none, and its agreement with the prompts is published; default: true',
    ),
  trainedOn: trainedOnSchema.describe('Real data that the gate was trained on: no test set may hold it'),
});

export const MAX_GATES = 32;

export const qualitySchema = z.strictObject({
  maxAttempts: z.int().min(1).max(10_000).default(8).describe('Images tried for one sample'),
  onExhausted: z
    .enum(['Fail', 'Shortfall'])
    .default('Fail')
    .describe(
      'When no attempt of some sample passes: Fail withholds publication, Shortfall publishes the rest; may change',
    ),
  keepRejected: z.int().min(0).max(1000).default(0).describe('Rejected images to keep for each cell, under rejected/'),
  encoder: z
    .strictObject({
      modelUri: uri.describe('Folder with model.onnx and encoder.json'),
      sha256: digest.optional().describe('Refuse any other encoder'),
    })
    .optional()
    .describe('Gives each accepted image a feature vector, kept under features/'),
  reference: z
    .strictObject({
      uri: uri.describe('Folder that `cohortfarm features` wrote'),
      sha256: digest.optional().describe('Refuse any other reference'),
    })
    .optional()
    .describe('Features of real images, to compare the cohort with'),
  gates: z
    .array(gateSchema)
    .max(MAX_GATES)
    .default([])
    .describe('Models that judge each image, asked in order; an image must pass all'),
});

/** A path must only not look like a URL of another kind. */
const OUTPUT = /^(s3:\/\/[^/]|file:\/\/\/|(?![A-Za-z][A-Za-z0-9+.-]+:))/;

export const outputSchema = z.strictObject({
  uri: uri
    .refine((text) => OUTPUT.test(text), 'must be s3://BUCKET/PREFIX, file:///FOLDER or a path')
    .describe('Where the dataset goes: s3://bucket/prefix, file:// or a path'),
  s3: z
    .strictObject({
      endpoint: z
        .url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' })
        .meta({ pattern: '^https?://.' })
        .optional()
        .describe('URL of the server, for stores other than AWS'),
      region: z.string().min(1).optional().describe('Region of the bucket, such as eu-west-1'),
      forcePathStyle: z.boolean().optional().describe('Names the bucket in the path, not in the host name'),
      credentialsSecretRef: z
        .strictObject({ name: z.string().min(1).describe('Name of the Secret, in the namespace of the dataset') })
        .optional()
        .describe('A Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'),
    })
    .optional()
    .describe('All optional: the default AWS chain applies'),
  image: z
    .strictObject({
      format: z.enum(['jpeg', 'png']).default('jpeg').describe('How images are encoded'),
      quality: z.int().min(1).max(100).default(95).describe('JPEG only'),
      bitDepth: z.literal([8, 16]).default(8).meta({ type: 'integer' }).describe('Bits of each value; 16 for PNG only'),
    })
    .prefault({})
    .describe('The image files'),
  shard: z
    .strictObject({ samples: z.int().min(1).max(100_000).default(1000).describe('Images in one tar file') })
    .prefault({})
    .describe('The tar files that hold the images, for WebDataset'),
});

const limits = z
  .strictObject({
    activeDeadlineSeconds: z
      .int()
      .min(1)
      .optional()
      .describe('Seconds during which workers may run; waiting for nodes or a queue does not count'),
    maxRounds: z.int().min(1).max(100_000).optional().describe('Jobs of workers, the first included'),
    maxGpuHours: z.number().gt(0).optional().describe('GPU-hours of all workers together'),
  })
  .describe('Where one of them is reached, workers stop and nothing is lost; raised, they resume. Default: none');

const budget = z
  .strictObject({
    maxGpuHours: z
      .number()
      .gt(0)
      .optional()
      .describe('GPU-hours of workers and training stages together; workers.limits bounds workers alone'),
  })
  .describe('Where it is reached, workers and stages stop and nothing is lost; raised, they resume. Default: none');

const workers = z.strictObject({
  replicas: z.int().min(1).max(10_000).default(1).describe('Worker pods; may change while they run'),
  probe: z
    .boolean()
    .default(true)
    .describe('One worker starts alone and prepares the plan, then the others follow; under Kueue all start at once'),
  gpus: z.int().min(0).max(64).default(0).describe('GPUs of each worker'),
  gpuResourceName: z
    .string()
    .min(1)
    .max(253)
    .default('nvidia.com/gpu')
    .describe('Extended resource that gpus counts, such as nvidia.com/mig-1g.10gb'),
  image: z.string().min(1).optional().describe("Container image of the workers; default: the operator's own choice"),
  batchSize: z.int().min(1).max(1024).default(4).describe('Images sampled at once by one worker'),
  checkpointSamples: z
    .int()
    .min(1)
    .max(100_000)
    .default(64)
    .describe('Accepted images between two checkpoints: the most that a killed worker loses'),
  resources: passThrough.optional().describe('Requests and limits of the worker container, as in a Pod'),
  nodeSelector: z.record(z.string(), z.string()).optional().describe('Labels that a node must have, as in a Pod'),
  tolerations: z.array(passThrough).optional().describe('Taints that workers tolerate, as in a Pod'),
  affinity: passThrough.optional().describe('Node and pod affinity, as in a Pod'),
  priorityClassName: z.string().min(1).optional().describe('PriorityClass of the pods'),
  runtimeClassName: z.string().min(1).optional().describe('RuntimeClass of the pods, such as nvidia'),
  serviceAccountName: z
    .string()
    .min(1)
    .optional()
    .describe("ServiceAccount of the pods, for cloud identities; default: the namespace's own"),
  modelCache: passThrough
    .optional()
    .describe(
      'Volume that keeps models between pods, as in a Pod, such as {persistentVolumeClaim: {claimName: models}}',
    ),
  terminationGracePeriodSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(120)
    .describe('Seconds for a stopped worker to store what it has accepted'),
  updatePolicy: z
    .enum(['OnNextRound', 'Immediate'])
    .default('OnNextRound')
    .describe('When running workers get a new image of the installation: with the next Job, or at once'),
  limits: limits.optional(),
  queueName: z.string().min(1).optional().describe('Kueue LocalQueue that admits the Jobs of this dataset'),
  minReplicas: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Workers with which Kueue may start where its queue has no room for replicas; default: all or none'),
  podTemplate: passThrough
    .optional()
    .describe('Strategic merge patch over the pod template of the workers, for all that has no field here'),
});

const publishPods = z.strictObject({
  resources: passThrough
    .optional()
    .describe('Requests and limits of the container; default: 250m CPU and 512Mi, at most 2 CPUs and 4Gi'),
  nodeSelector: z.record(z.string(), z.string()).optional().describe('Labels that a node must have, as in a Pod'),
  tolerations: z
    .array(passThrough)
    .optional()
    .describe("Taints that the pods tolerate, as in a Pod; default: the workers'"),
  podTemplate: passThrough
    .optional()
    .describe("Strategic merge patch over their pod template, after the workers' podTemplate"),
});

const parent = z.strictObject({
  manifest: uri
    .refine((text) => /(^|\/)dataset\.json$/.test(text), 'must name the dataset.json of a published dataset')
    .meta({ pattern: '(^|/)dataset[.]json$' })
    .describe('dataset.json of a published dataset: s3://, file:// or a path'),
});

export const specSchema = z.strictObject({
  seed: z.int().min(0).default(0).describe('Decides every image; another seed is another dataset'),
  suspend: z
    .boolean()
    .default(false)
    .describe('Stops the workers, which store what they have accepted; nothing is lost'),
  quota: quotaSchema.describe('How many images of whom, with what findings'),
  prompt: promptSchema.prefault({}).describe('The text that each image is drawn from'),
  model: model.describe('The diffusion model'),
  quality: qualitySchema.prefault({}).describe('What an image must pass to be accepted'),
  output: outputSchema.describe('Where and in what form the dataset is stored'),
  workers: workers.prefault({}).describe('The pods that generate; decides no byte of an image'),
  publish: publishPods
    .prefault({})
    .describe('The pods that publish the dataset or remove its objects; they need no GPU'),
  training: trainingSchema.optional().describe('What is trained once the dataset is published'),
  limits: budget.optional(),
  extends: parent
    .optional()
    .describe('Grows a published dataset: its samples are numbered on after it, no seed repeats, it stays as it is'),
  operatorClass: label
    .optional()
    .describe(
      "Class of the installation that looks after it (the chart's operator.class); default: the one without a class",
    ),
  deletionPolicy: z
    .enum(['Retain', 'Delete'])
    .default('Retain')
    .describe('What becomes of the stored objects when this resource is deleted'),
  ttlSecondsAfterFinished: z
    .int()
    .min(0)
    .optional()
    .describe('Seconds after which the Jobs of a finished dataset are removed; default: they stay'),
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
/** A gate with a graph of its own, which judges one axis. */
export type ModelGate = Gate & { readonly axis: string; readonly modelUri: string };
export type Training = z.infer<typeof trainingSchema>;
export type ColumnMap = Readonly<Record<string, z.infer<typeof columnSchema>>>;
