import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { EXIT } from '../../contract/names.ts';
import { REASONS, type ReasonName } from '../../contract/reasons.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { StageStatus } from '../../contract/schema/status.ts';
import { type StepFolders, trainingSteps } from '../../contract/training/steps.ts';
import { buildStage, trainsTogether } from '../desired/stage.ts';
import type { LaunchedStep } from '../desired/stage-parts.ts';
import { currentJob, type Observed } from '../observed.ts';
import type { Action, Advance, Report, Settings, StepDecision } from './decision.ts';
import type { Trouble } from './diagnose.ts';
import { idleWorkers, unwantedStages } from './leftovers.ts';
import { budgetSpent, secondsToBudget } from './limits.ts';
import { datasetOf, isPublished, isTrue, removal, stepContext } from './predicates.ts';
import { type SingleStep, singleStep } from './step-job.ts';
import { inWords, progressOf } from './step-progress.ts';

/**
 * The published dataset is trained on. A stage runs when those that it needs have succeeded, several at once if they may;
 * its success is kept in the status. A stage that is to be another (its config, image or arguments have changed) is run
 * again into a folder of its own, and so is what depends on it.
 */
export const train: Advance = (observed, settings) => {
  const stages = stagesOf(observed);
  const steps = stages.map((stage) => stepOf(observed, settings, stage, stages));
  const spent = steps.every(hasSucceeded) ? null : budgetSpent(observed);
  const decision = spent ? stopped(observed, steps, spent) : decisionOf(steps, secondsToBudget(observed));
  const leftovers = [...idleWorkers(observed), ...unwantedStages(observed, wantedStages(observed))];
  return { ...decision, actions: [...leftovers, ...decision.actions] };
};

/** Names of the stages that the spec asks for. */
export const wantedStages = (observed: Observed): string[] => stagesOf(observed).map(({ stage }) => stage.name);

/** A stage as it is wanted now, and whether it has succeeded as such. */
interface WantedStage {
  readonly stage: LaunchedStep;
  readonly digest: string;
  readonly folder: string;
  readonly isDone: boolean;
  readonly before: StageStatus | undefined;
}

/**
 * Every stage that is asked for, if any is, has succeeded on the published dataset. Which stages an invalid spec asks for
 * is unknown: then what was last written counts.
 */
export function isTrained(observed: Observed): boolean {
  if (!isPublished(observed)) return false;
  if ('issues' in observed.parsed) return isTrue(observed, 'Trained');
  return stagesOf(observed).every(({ isDone }) => isDone);
}

export function stagesOf({ status, parsed }: Pick<Observed, 'status' | 'parsed'>): WantedStage[] {
  const dataset = datasetOf({ parsed });
  const output = dataset.spec.output.uri.replace(/\/+$/, '');
  const stepsIn = (places: StepFolders) => launchedSteps(dataset, output, places);
  const folders: Record<string, string> = {};
  const wanted: WantedStage[] = [];
  for (const name of stepsIn({}).map((stage) => stage.name)) {
    // Planned again for each: its config names the folders of the stages before it.
    const find = (steps: readonly LaunchedStep[]) => steps.find((stage) => stage.name === name)!;
    const before = status.stages?.find((stage) => stage.name === name);
    const planned = { ...folders, [name]: name };
    const digest = digestOf(find(launchedSteps(dataset, ANYWHERE, planned)));
    const isKnown = before?.digest === digest || before?.digest === formerDigestOf(find(stepsIn(planned)));
    const kept = isKnown ? before?.output?.replace(/^training\//, '') : undefined;
    const folder = kept ?? (isKnown || before?.digest === undefined ? name : `${name}-${digest.slice(0, 8)}`);
    folders[name] = folder;
    const isDone = isKnown && before?.state === 'Succeeded';
    wanted.push({ stage: find(stepsIn(folders)), digest, folder, isDone, before });
  }
  return wanted.filter((one) => !isSpared(one, wanted));
}

/** Runs side by side are only for the step that measures them: none are trained where that is done without them. */
const isSpared = ({ stage, isDone }: WantedStage, all: readonly WantedStage[]): boolean =>
  stage.shares !== undefined && !isDone && all.some((other) => other.isDone && other.stage.needs.includes(stage.name));

/** Replaces the place of the dataset where that must not count. */
const ANYWHERE = 'dataset:';

/** Those that are done, by the digests of this version: a former one's hold only as long as the dataset is not moved. */
export const rememberedStages = (observed: Observed): StageStatus[] => {
  const done = new Map(
    stagesOf(observed).flatMap(({ isDone, digest, stage }) => (isDone ? [[stage.name, digest]] : [])),
  );
  return (observed.status.stages ?? []).map((stage) => ({
    ...stage,
    ...(done.has(stage.name) && { digest: done.get(stage.name)! }),
  }));
};

function launchedSteps(dataset: SyntheticDataset, output: string, folders: StepFolders): LaunchedStep[] {
  const last = dataset.spec.training?.stages.at(-1);
  if (!last) return [];
  const steps = trainingSteps(dataset, {
    output,
    resolve: (uri) => uri,
    folders,
    sideBySide: last.runtimeRef === undefined,
  });
  return steps.map((step) => ({ ...step, launch: step.stage ?? last }));
}

/** Digests all that decides a stage's results. Where the dataset and the results are, and the way there, do not. */
function digestOf({ config, launch }: LaunchedStep): string {
  const { s3: _, ...placeless } = config;
  return formerDigestOf({ config: placeless, launch });
}

/** The digest of former versions, in which the place of the dataset counts. */
function formerDigestOf({
  config,
  launch,
}: {
  config: Partial<LaunchedStep['config']>;
  launch: LaunchedStep['launch'];
}): string {
  const { output: _, ...decisive } = withoutHow(config);
  const { image, args, env, nodes, processesPerNode, runtimeRef } = launch;
  return sha256(canonicalJson({ config: decisive, image, args, env, nodes, processesPerNode, runtimeRef }));
}

type Config = Partial<LaunchedStep['config']>;

/** Runs side by side are the same runs, and images are the same however they are loaded. */
function withoutHow({ train, compare, ...config }: Config): Config {
  if (train) return { ...config, train: withLoaders(train) };
  if (!compare) return config;
  const { shares: _, runs: __, pretrain, finetune, ...others } = compare;
  return { ...config, compare: { ...others, pretrain: withLoaders(pretrain), finetune: withLoaders(finetune) } };
}

/** Processes of a spec that names none, in the digests of versions before they followed the CPUs. */
const LOADERS = 2;

const withLoaders = (train: NonNullable<Config['train']>): NonNullable<Config['train']> => ({
  ...train,
  hyperparameters: { loaderWorkers: LOADERS, ...train.hyperparameters },
});

interface StageStep {
  readonly status: StageStatus;
  readonly step: SingleStep | 'done' | 'waiting';
}

function stepOf(observed: Observed, settings: Settings, wanted: WantedStage, all: readonly WantedStage[]): StageStep {
  const { stage, digest, folder, isDone, before } = wanted;
  const base = { name: stage.name, digest, output: `training/${folder}` };
  if (isDone) return { status: { ...before!, digest }, step: 'done' };
  const isReady = stage.needs.every((need) => all.find((other) => other.stage.name === need)?.isDone);
  if (!isReady) return { status: { ...base, state: 'Pending' }, step: 'waiting' };
  const context = { ...stepContext(observed, settings), stage };
  const step = singleStep(observed, { role: 'train', stage: stage.name, isGang: trainsTogether(stage) }, (round) =>
    buildStage(context, round),
  );
  const job = currentJob(observed.jobs, 'train', stage.name)?.name;
  const named = { ...base, ...(job !== undefined && { job }) };
  if (step.state === 'done') return { status: { ...named, state: 'Succeeded', ...metricsOf(step.outcome) }, step };
  if (step.state === 'failed') return { status: { ...named, state: 'Failed' }, step };
  const progress = progressOf(observed, stage.name);
  return { status: { ...named, state: 'Running', ...(progress && { progress }) }, step };
}

const MAX_METRICS = 16;

const metricsOf = (outcome: Outcome | null): Pick<StageStatus, 'metrics'> =>
  outcome?.metrics ? { metrics: Object.fromEntries(Object.entries(outcome.metrics).slice(0, MAX_METRICS)) } : {};

const hasSucceeded = ({ status }: StageStep): boolean => status.state === 'Succeeded';

/**
 * The dataset has used its GPU-hours: stages that run end, and resume from their checkpoints once it may use more. One that has
 * failed is still said to have: more GPU-hours alone would not help it.
 */
function stopped({ jobs }: Observed, steps: readonly StageStep[], spent: Report): StepDecision {
  const running = jobs.filter(({ role, state, deleting }) => role === 'train' && state === 'running' && !deleting);
  const stages = steps.map((one): StageStatus => {
    const { progress: _, ...status } = one.status;
    if (failureOf(one)) return { ...status, state: 'Failed' };
    return status.state === 'Succeeded' ? status : { ...status, state: 'Pending' };
  });
  const failure = steps.map((one) => reportOfTrouble(one, failureOf(one), steps)).find((report) => report !== null);
  const stepStatus = failure ? { ...failure, message: `${failure.message}. ${spent.message}` } : spent;
  const actions = running.map((job) => removal(job, `Removed ${job.kind} ${job.name}: ${spent.reason}`));
  return { policy: 'limitReached', actions, stepStatus, stages };
}

/** Why a stage has failed, where another try as it is would hardly end in another way. */
function failureOf({ step }: StageStep): Trouble | null {
  if (typeof step === 'string') return null;
  const trouble = step.state === 'failed' ? step.trouble : step.state === 'started' ? step.after : undefined;
  return trouble && REASONS[reasonOf(trouble)].exit !== EXIT.tryAgain ? trouble : null;
}

/** @param limit seconds until a limit is reached */
function decisionOf(steps: readonly StageStep[], limit: number | undefined): StepDecision {
  const under = steps.flatMap(({ step }) => (typeof step === 'string' ? [] : [step]));
  const actions = under.flatMap((step): readonly Action[] => ('actions' in step ? step.actions : []));
  const justDone = under.some(({ state }) => state === 'done');
  const waits = under.flatMap((step) =>
    step.state === 'failed' ? (step.requeueAfter ?? []) : step.state === 'done' ? [0] : [Math.min(10, limit ?? 10)],
  );
  return {
    policy: 'training',
    actions,
    stepStatus: reportOf(steps),
    stages: steps.map(({ status }) => status),
    ...((justDone || waits.length > 0) && { requeueAfter: Math.min(...waits) }),
  };
}

const reasonOf = ({ reason }: Trouble): ReasonName => (reason === 'PodFailed' ? 'StageFailed' : reason);

function reportOfTrouble({ status }: StageStep, trouble: Trouble | null, all: readonly StageStep[]): Report | null {
  if (!trouble) return null;
  const waiting = all.filter((other) => other.step === 'waiting').map((other) => other.status.name);
  const held = waiting.length > 0 ? `; ${waiting.join(', ')} wait for it` : '';
  return { reason: reasonOf(trouble), message: `Stage ${status.name}: ${trouble.message}${held}` };
}

function reportOf(steps: readonly StageStep[]): Report {
  for (const one of steps) {
    const trouble = typeof one.step !== 'string' && 'trouble' in one.step ? one.step.trouble : null;
    const report = reportOfTrouble(one, trouble, steps);
    if (report) return report;
  }
  const done = steps.filter(({ status }) => status.state === 'Succeeded').length;
  const running = steps.flatMap(({ status: { name, state, progress } }) =>
    state === 'Running' ? [progress ? `${name} (${inWords(progress)})` : name] : [],
  );
  const now = running.length > 0 ? `: ${running.join(', ')} runs` : '';
  return { reason: 'Training', message: `${done} of ${steps.length} stages are done${now}` };
}
