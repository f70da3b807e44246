import { NO_FINDING, objects } from '../names.ts';
import type { Spec, SyntheticDataset, Training } from '../schema/spec.ts';
import { type StageConfig, stageConfigSchema } from '../schema/stage.ts';
import { COMPARE_RUNS, TIMM_WEIGHTS } from '../schema/training.ts';

/** The training and evaluation steps of a dataset, in order: the stages of its spec, then the evaluation and the comparison. */

export interface TrainingStep {
  readonly name: string;
  /** Command of the trainer, see docs/training.md. */
  readonly command: 'pretrain' | 'finetune' | 'evaluate' | 'compare' | 'audit' | 'check';
  /** Names of the steps that must be done before. */
  readonly needs: readonly string[];
  /** The stage of the spec; evaluation and comparison have none. */
  readonly stage: Stage | null;
  readonly config: StageConfig;
  /** Shares of the runs that a step trains side by side: how many there are, and how many at once. */
  readonly shares?: { readonly count: number; readonly parallelism: number };
}

export type StepFolders = Readonly<Record<string, string>>;

export interface StepOptions {
  /** The resolved URI of the dataset. */
  readonly output: string;
  /** Makes a URI of the spec one that does not depend on the place of the spec. */
  readonly resolve: (uri: string) => string;
  /** The folder of results below `training/`, for steps where it is not the name. */
  readonly folders?: StepFolders;
  /** Whether the runs of a comparison may be a step of their own, which several pods do side by side. */
  readonly sideBySide?: boolean;
}

type Stage = Training['stages'][number];

/** Subgroups of age where neither the spec nor the axis names any. */
export const AGE_BINS = ['0-17', '18-39', '40-59', '60-79', '80-120'];

/** Every step of `spec.training`; none where nothing is trained. */
export function trainingSteps({ spec }: Pick<SyntheticDataset, 'spec'>, options: StepOptions): TrainingStep[] {
  const training = spec.training;
  if (!training || training.stages.length === 0) return [];
  return [
    ...training.stages.map((stage) => stageStep(spec, training, stage, options)),
    ...evaluateStep(spec, training, options),
    ...compareSteps(spec, training, options),
  ];
}

/** The config that reads all real data of a spec, as its stages and sites do; null where it names none. */
export function dataCheck({ spec }: Pick<SyntheticDataset, 'spec'>, options: StepOptions): StageConfig | null {
  const training = spec.training;
  if (!training) return null;
  const stages = training.stages.flatMap((stage, i) =>
    stage.data === undefined
      ? []
      : [
          {
            name: `spec.training.stages[${i}].data`,
            use: 'Training' as const,
            data: [options.resolve(stage.data)],
            ...sourceOf(stage, options),
            validationShare: stage.hyperparameters.validationShare,
          },
        ],
  );
  const sites = sitesOf(training, options).map(({ uri, source }, i) => ({
    name: `spec.training.evaluation.sites[${i}]`,
    use: 'Test' as const,
    data: [uri],
    ...(source && { source }),
  }));
  const checks = [...stages, ...sites];
  if (checks.length === 0) return null;
  const trainedOn = [spec.model, ...spec.quality.gates].flatMap((one) => one.trainedOn ?? []);
  const own = { output: options.output, type: 'Check', checks, trainedOn };
  return stageConfigSchema.parse({ ...base(spec, training, 'check-data', options), ...own });
}

/** Fields that all configs share. */
function base(spec: Spec, training: Training, name: string, options: StepOptions) {
  const { endpoint, region, forcePathStyle } = spec.output.s3 ?? {};
  return {
    apiVersion: 'cohortfarm.dev/stage/v1',
    name,
    output: folderOf(name, options),
    s3: { endpoint, region, forcePathStyle },
    seed: spec.seed,
    architecture: training.architecture,
    imageSize: training.imageSize,
    imageFit: training.imageFit,
    labels: labelsOf(spec, training),
    ageBins: training.ageBins ?? spec.quota.axes.age?.bins ?? AGE_BINS,
    bootstraps: training.evaluation?.bootstraps,
  };
}

/** Findings to learn: those of the spec, or of its axis. */
function labelsOf(spec: Spec, training: Training): string[] {
  const values = training.labels ?? spec.quota.axes.finding?.values?.map(labelName) ?? [];
  return values.filter((label) => label !== NO_FINDING);
}

/** `Pleural_Thickening` as `pleural-thickening`, as the trainer reads it from other data, too. */
export const labelName = (value: string): string =>
  value
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

const folderOf = (step: string, { output, folders = {} }: StepOptions): string =>
  `${output}/${objects.training}${folders[step] ?? step}`;

const modelOf = (stage: string, options: StepOptions): string => `${folderOf(stage, options)}/model.pt`;

function trainOf(stage: Stage, labels: readonly string[], options: StepOptions): NonNullable<StageConfig['train']> {
  const data = [stage.data === undefined ? options.output : options.resolve(stage.data)];
  const flip = stage.hyperparameters.flip ?? !labels.some((label) => SIDED.test(label));
  return { data, ...sourceOf(stage, options), hyperparameters: { ...stage.hyperparameters, flip } };
}

/** Findings that a mirrored image shows on the other side. */
const SIDED = /(^|-)(left|right|dextrocardia|dextroposition|situs)(-|$)/;

/** The source of some data, with tables whose URIs do not depend on the place of the spec. */
function sourceOf({ source }: { source?: Stage['source'] }, { resolve }: Pick<StepOptions, 'resolve'>) {
  if (!source) return {};
  const tables = source.tables?.map((table) => ({ ...table, uri: resolve(table.uri) }));
  return { source: { ...source, ...(tables && { tables }) } };
}

/** The given weights; those that timm publishes lie nowhere that a store could read. */
const weightsOf = ({ weights }: Training, { resolve }: Pick<StepOptions, 'resolve'>): string | undefined =>
  weights?.startsWith(TIMM_WEIGHTS) ? weights : weights && resolve(weights);

function stageStep(spec: Spec, training: Training, stage: Stage, options: StepOptions): TrainingStep {
  const config = stageConfigSchema.parse({
    ...base(spec, training, stage.name, options),
    type: stage.type,
    weights: stage.from === undefined ? weightsOf(training, options) : modelOf(stage.from, options),
    train: trainOf(stage, labelsOf(spec, training), options),
  });
  return {
    name: stage.name,
    command: stage.type === 'Pretrain' ? 'pretrain' : 'finetune',
    needs: stage.from === undefined ? [] : [stage.from],
    stage,
    config,
  };
}

const sitesOf = (training: Training, options: Pick<StepOptions, 'resolve'>) =>
  (training.evaluation?.sites ?? []).map((site) => ({
    name: site.name,
    uri: options.resolve(site.uri),
    ...sourceOf(site, options),
  }));

function evaluateStep(spec: Spec, training: Training, options: StepOptions): TrainingStep[] {
  const sites = sitesOf(training, options);
  if (sites.length === 0) return [];
  const names = training.stages.map(({ name }) => name);
  const config = stageConfigSchema.parse({
    ...base(spec, training, 'evaluate', options),
    type: 'Evaluate',
    models: names.map((name) => ({ name, uri: modelOf(name, options) })),
    sites,
  });
  return [{ name: 'evaluate', command: 'evaluate', needs: names, stage: null, config }];
}

/**
 * The comparison retrains the last Finetune stage, and the Pretrain stage that its weights come from. Side by side, shares of
 * the runs are trained first, and then measured by a step that finds all of them done.
 */
function compareSteps(spec: Spec, training: Training, options: StepOptions): TrainingStep[] {
  if (training.compare.length === 0) return [];
  const finetune = training.stages.findLast(({ type }) => type === 'Finetune')!;
  const labels = labelsOf(spec, training);
  const pretrain = trainOf(rootOf(finetune, training), labels, options);
  const synthetic = training.synthetic?.map(({ name, uri }) => ({
    name,
    data: uri === undefined ? pretrain.data : [options.resolve(uri)],
  }));
  const config = stageConfigSchema.parse({
    ...base(spec, training, 'compare', options),
    type: 'Compare',
    weights: weightsOf(training, options),
    sites: sitesOf(training, options),
    compare: {
      baselines: training.compare,
      seeds: training.seeds,
      ...(training.primary && { primary: training.primary }),
      mixedShare: training.mixedShare,
      replayShare: training.replayShare,
      ...(synthetic && { synthetic }),
      pretrain,
      finetune: trainOf(finetune, labels, options),
    },
  });
  const compare = { name: 'compare', command: 'compare', needs: [], stage: null, config } as const;
  if (!options.sideBySide || training.compareParallelism === undefined) return [compare];
  const count = countShares(config);
  const output = folderOf(COMPARE_RUNS, options);
  return [
    {
      ...compare,
      name: COMPARE_RUNS,
      config: { ...config, name: COMPARE_RUNS, output, compare: { ...config.compare!, shares: count } },
      shares: { count, parallelism: Math.min(training.compareParallelism, count) },
    },
    {
      ...compare,
      needs: [COMPARE_RUNS],
      config: { ...config, compare: { ...config.compare!, runs: output } },
    },
  ];
}

/** One for each run that waits for no other: SyntheticOnly is also what the arms that pretrain begin with. */
function countShares({ compare, weights }: StageConfig): number {
  const { baselines, seeds, synthetic } = compare!;
  const real = baselines.filter((arm) => arm.startsWith('RealOnly')).length;
  const mixed = baselines.filter((arm) => arm.startsWith('Mixed')).length;
  return (weights === undefined ? 1 : 2) * seeds * (real + (1 + mixed) * (synthetic?.length ?? 1));
}

/** The stage that a chain of `from` begins with: always a Pretrain stage, as no other may do without `from`. */
function rootOf(stage: Stage, training: Training): Stage {
  const before = training.stages.find(({ name }) => name === stage.from);
  return before ? rootOf(before, training) : stage;
}
