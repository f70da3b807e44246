import { NO_FINDING } from '../names.ts';
import type { SyntheticDataset } from '../schema/spec.ts';
import type { StageConfigInput } from '../schema/stage.ts';
import type { Training } from '../schema/training.ts';

/** From `spec.training` to what trainers are started with: the stages in order, then evaluation and comparison. */

/** One thing to train or measure. */
export interface PlannedStage {
  readonly name: string;
  /** Stages whose results it needs. */
  readonly needs: readonly string[];
  readonly config: StageConfigInput;
  /** How it is launched; evaluation and comparison are launched as the last stage is. */
  readonly launch: Training['stages'][number];
}

/** Where the results of a stage lie: `OUTPUT/training/FOLDER`. */
export type StageFolders = Readonly<Record<string, string>>;

/** Names of the steps that follow the stages. */
export const EVALUATE = 'evaluate';
export const COMPARE = 'compare';

/** A stage that has begun to save its weights keeps them under this name. */
const WEIGHTS = 'model.pt';

/**
 * The stages of a dataset in the order in which they may run; empty when nothing is to be trained.
 * @param output where the dataset is published, as trainers reach it
 * @param folders of stages whose results do not lie in the folder of their name
 */
export function planTraining(dataset: SyntheticDataset, output: string, folders: StageFolders = {}): PlannedStage[] {
  const { training } = dataset.spec;
  const last = training?.stages.at(-1);
  if (!training || !last) return [];
  const context: Context = { dataset, training, output, folders };
  const all = training.stages.map(({ name }) => name);
  const stages = training.stages.map((stage): PlannedStage => {
    return {
      name: stage.name,
      needs: stage.from === undefined ? [] : [stage.from],
      config: stageConfig(context, stage),
      launch: stage,
    };
  });
  const after = [evaluateConfig(context), compareConfig(context)].filter((config) => config !== null);
  return [...stages, ...after.map((config) => ({ name: config.name, needs: all, config, launch: last }))];
}

interface Context {
  readonly dataset: SyntheticDataset;
  readonly training: Training;
  readonly output: string;
  readonly folders: StageFolders;
}

/** What all configs of a dataset have in common. */
function common({ dataset, training, output, folders }: Context, name: string): Omit<StageConfigInput, 'type'> {
  const { quota, seed, output: place } = dataset.spec;
  const findings = quota.axes.finding?.values?.filter((value) => value !== NO_FINDING);
  const { endpoint, region, forcePathStyle } = place.s3 ?? {};
  return {
    apiVersion: 'cohortfarm.dev/stage/v1',
    name,
    output: folderOf(output, folders, name),
    s3: {
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(forcePathStyle !== undefined && { forcePathStyle }),
    },
    seed,
    architecture: training.architecture,
    imageSize: training.imageSize,
    labels: training.labels ?? findings ?? [],
    ageBins: training.ageBins ?? quota.axes.age?.bins ?? [],
    ...(training.evaluation && { bootstraps: training.evaluation.bootstraps }),
  };
}

const folderOf = (output: string, folders: StageFolders, name: string): string =>
  `${output}/training/${folders[name] ?? name}`;

const weightsOf = ({ output, folders }: Context, stage: string): string =>
  `${folderOf(output, folders, stage)}/${WEIGHTS}`;

function stageConfig(context: Context, stage: Training['stages'][number]): StageConfigInput {
  const weights = stage.from === undefined ? context.training.weights : weightsOf(context, stage.from);
  return {
    ...common(context, stage.name),
    type: stage.type,
    ...(weights !== undefined && { weights }),
    train: trainOf(context, stage),
  };
}

const trainOf = ({ output }: Context, { data, hyperparameters }: Training['stages'][number]) => ({
  data: [data ?? output],
  hyperparameters,
});

function evaluateConfig(context: Context): StageConfigInput | null {
  const { evaluation, stages } = context.training;
  if (!evaluation || evaluation.sites.length === 0) return null;
  return {
    ...common(context, EVALUATE),
    type: 'Evaluate',
    models: stages.map(({ name }) => ({ name, uri: weightsOf(context, name) })),
    sites: evaluation.sites,
  };
}

/** The arms take data and hyperparameters of the first Pretrain and the last Finetune stage. */
function compareConfig(context: Context): StageConfigInput | null {
  const { compare, seeds, stages, evaluation, weights } = context.training;
  const pretrain = stages.find(({ type }) => type === 'Pretrain');
  const finetune = stages.findLast(({ type }) => type === 'Finetune');
  if (compare.length === 0 || !pretrain || !finetune || !evaluation) return null;
  return {
    ...common(context, COMPARE),
    type: 'Compare',
    ...(weights !== undefined && { weights }),
    sites: evaluation.sites,
    compare: { baselines: compare, seeds, pretrain: trainOf(context, pretrain), finetune: trainOf(context, finetune) },
  };
}
