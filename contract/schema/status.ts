import { z } from 'zod';
import { headlinesSchema } from './outcome.ts';
import { COMPARE_RUNS, MAX_STAGES, RESERVED_STAGES } from './training.ts';

/**
 * The status of a `SyntheticDataset`, which the operator writes and people read. Its size is bounded: counts of cells and
 * shards, never one entry for each.
 */

const count = z.int().min(0);
const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ maxLength: 64 });
const time = z.iso.datetime({ offset: true });

/**
 * What `kubectl wait` waits for. Ready, Reconciling and Stalled are those of kstatus; the others are the steps in their order.
 */
export const CONDITIONS = ['Ready', 'Reconciling', 'Stalled', 'Accepted', 'Generated', 'Published', 'Trained'] as const;

const conditionSchema = z.strictObject({
  type: z
    .enum(CONDITIONS)
    .describe(
      'Ready: all is done; Reconciling: work is under way; Stalled: work cannot continue; the others: one step each',
    ),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether the condition holds'),
  observedGeneration: count.describe('Generation of the resource that this was found out about'),
  lastTransitionTime: time.describe('When status last changed'),
  reason: z
    .string()
    .regex(/^[A-Z][A-Za-z0-9]{0,63}$/)
    .describe('One word for programs'),
  message: z.string().max(1024).describe('What happened, and what to do about it'),
});

const samples = z.strictObject({
  wanted: count.describe('Images that the plan asks for'),
  accepted: count.describe('Images that passed every gate and are committed'),
  exhausted: count.describe('Samples of which no attempt passed'),
  attempts: count.describe('Images generated so far, accepted or not'),
});

const worstCell = z.strictObject({
  cell: z.string().max(1024).describe('The cell, as the records name it'),
  wanted: count.describe('Its samples'),
  accepted: count.describe('Its accepted images'),
  acceptanceRate: z.number().min(0).max(1).describe('Accepted images of those generated'),
  gate: z.string().max(63).optional().describe('The gate that rejected most'),
});

const stepProgress = {
  done: count.describe('Shards checked, or steps of training done'),
  all: count.describe('All of them'),
  secondsLeft: count.optional().describe('Time to the last one at the rate so far'),
};

const stageStatus = z.strictObject({
  name: z.string().max(63).describe('The stage, as the spec names it'),
  state: z.enum(['Pending', 'Running', 'Succeeded', 'Failed']).describe('How far it is'),
  job: z.string().max(253).optional().describe('The Job or TrainJob that runs it, in the same namespace'),
  progress: z.strictObject(stepProgress).optional().describe('Its steps, while it runs and reports them'),
  output: z.string().max(256).optional().describe('Where its results lie, below the output'),
  digest: digest.optional().describe('SHA-256 of all that decides its results'),
  metrics: z.record(z.string(), z.number()).meta({ maxProperties: 16 }).optional().describe('Its headline metrics'),
});

const seconds = z.number().min(0);

const usage = z.strictObject({
  rounds: count.describe('Jobs of workers so far'),
  workers: count.describe('Worker pods that run'),
  gpus: count.describe('GPUs that they hold'),
  activeSeconds: seconds.describe('Time during which any worker ran'),
  gpuSeconds: seconds.describe('GPU-seconds of all workers'),
  rejectedGpuSeconds: seconds.describe('The share of them that went into rejected images'),
  training: z
    .strictObject({
      gpus: count.describe('GPUs that pods of stages hold'),
      gpuSeconds: seconds.describe('GPU-seconds of all stages'),
    })
    .optional()
    .describe('What training has used, once a stage has held a GPU'),
  until: time.describe('When this was counted'),
});

export const statusSchema = z.strictObject({
  observedGeneration: count.optional().describe('Generation of the resource that this status is about'),
  conditions: z.array(conditionSchema).max(CONDITIONS.length).optional().describe('What holds, by type'),
  planDigest: digest.optional().describe('SHA-256 of all that decides the images, once the plan is accepted'),
  samples: samples.optional().describe('Images wanted and made'),
  percent: z.int().min(0).max(100).optional().describe('Committed samples of those wanted, rounded down'),
  acceptanceRate: z.number().min(0).max(1).optional().describe('Accepted images of those generated'),
  imagesPerSecond: z.number().min(0).optional().describe('Accepted images in each second of late, by all workers'),
  secondsLeft: count.optional().describe('Time to the last sample at that rate'),
  cells: z
    .strictObject({
      complete: count.describe('Cells whose every sample is settled'),
      total: count.describe('Cells with samples'),
    })
    .optional()
    .describe('Cells of the quota grid'),
  shards: z
    .strictObject({ committed: count.describe('Shards whose record is stored'), total: count.describe('All shards') })
    .optional()
    .describe('Shards of the dataset'),
  worstCells: z.array(worstCell).max(10).optional().describe('The cells with the lowest acceptance rates'),
  usage: usage
    .optional()
    .describe('What workers and training have used, counted up every few minutes and whenever their number changes'),
  selector: z.string().max(512).optional().describe('Selects the worker pods, for the scale subresource'),
  publishing: z
    .strictObject(stepProgress)
    .optional()
    .describe('The shards that the publish pod has checked, while it runs'),
  manifest: z
    .strictObject({
      uri: z.string().max(8192).describe('Where dataset.json is'),
      sha256: digest.describe('Digest of its bytes'),
    })
    .optional()
    .describe('The manifest, once the dataset is complete'),
  evidence: headlinesSchema
    .optional()
    .describe('Headlines of the evidence about the images, once the dataset is complete: fidelity, variety, privacy'),
  stages: z
    .array(stageStatus)
    .max(MAX_STAGES + [...RESERVED_STAGES, COMPARE_RUNS].length)
    .optional()
    .describe('One entry for each training stage, evaluation and comparison included'),
  lastUpdateTime: time.optional().describe('When progress was last written here'),
});

export type Usage = z.infer<typeof usage>;
export type DatasetStatus = z.infer<typeof statusSchema>;
export type Condition = z.infer<typeof conditionSchema>;
export type ConditionType = (typeof CONDITIONS)[number];
export type StepProgress = NonNullable<DatasetStatus['publishing']>;
export type StageStatus = z.infer<typeof stageStatus>;
