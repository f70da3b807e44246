import { LABELS } from '../contract/cluster.ts';
import { canonicalJson } from '../contract/digest.ts';
import { REASONS, type ReasonName } from '../contract/reasons.ts';
import type { Condition, ConditionType, DatasetStatus } from '../contract/schema/status.ts';
import type { Decision, StepStatus } from './decide/decision.ts';
import { STEPS } from './decide/steps.ts';
import type { Observed } from './observed.ts';
import { isUsageNews, usageOf } from './usage.ts';

/** The status that a decision makes, whole. */

const MAX_MESSAGE = 1024;

/** The next status; null when the decision writes none. */
export function nextStatus(observed: Observed, decision: Decision): DatasetStatus | null {
  if (!decision.stepStatus) return null;
  const { progress, status, owner, now } = observed;
  const { stepStatus, published, stages } = decision;
  const isPlanned = stepStatus.at !== 'Accepted';
  const { secondsLeft, publishing: _, ...rest } = status;
  // A forecast holds only as long as it is made again; what was published needs none.
  const kept = status.manifest && secondsLeft !== undefined ? { ...rest, secondsLeft } : rest;
  return {
    ...kept,
    observedGeneration: owner.generation,
    conditions: conditionsOf(observed, stepStatus),
    ...(isPlanned && planFields(observed)),
    ...(progress.plan && progressFields(observed, stepStatus)),
    ...(decision.publishing && { publishing: decision.publishing }),
    ...(published && {
      planDigest: published.planDigest,
      samples: published.samples,
      percent: 100,
      imagesPerSecond: 0,
      secondsLeft: 0,
      manifest: published.manifest,
      ...(published.evidence && { evidence: published.evidence }),
    }),
    ...(stages && { stages: [...stages] }),
    ...usageFields(observed),
    ...((progress.plan || published || stages) && { lastUpdateTime: new Date(now).toISOString() }),
  };
}

/** Also what the scale subresource reads. */
function usageFields(observed: Observed): Partial<DatasetStatus> {
  const usage = usageOf(observed);
  if (!usage) return {};
  return { usage, selector: `${LABELS.uid}=${observed.owner.uid},${LABELS.role}=workers` };
}

function planFields({ progress, status }: Observed): Partial<DatasetStatus> {
  const digest = status.planDigest ?? progress.plan?.digest;
  return digest === undefined ? {} : { planDigest: digest };
}

/** Numbers of a running dataset. What was published is not changed any more. */
function progressFields({ progress, status }: Observed, { reason }: StepStatus): Partial<DatasetStatus> {
  const { plan, samples, worstCells } = progress;
  if (!plan || status.manifest) return {};
  const settled = samples.accepted + samples.exhausted;
  // The rate is one of the last minute; a suspended dataset is not looked at again once its pods are gone.
  const rate = reason === 'Suspended' ? 0 : Math.round(progress.imagesPerSecond * 100) / 100;
  return {
    samples: { wanted: plan.samples, ...samples },
    percent: Math.floor((100 * settled) / plan.samples),
    ...(samples.attempts > 0 && { acceptanceRate: round3(samples.accepted / samples.attempts) }),
    imagesPerSecond: rate,
    ...(rate > 0 && { secondsLeft: Math.ceil((plan.samples - settled) / rate) }),
    cells: progress.cells,
    shards: { committed: progress.shardsCommitted, total: plan.shards },
    worstCells: worstCells.map((cell) => ({
      cell: cell.cell.slice(0, MAX_MESSAGE),
      wanted: cell.wanted,
      accepted: cell.accepted,
      acceptanceRate: round3(cell.acceptanceRate),
      ...(cell.gate !== undefined && { gate: cell.gate }),
    })),
  };
}

const round3 = (share: number): number => Math.round(share * 1000) / 1000;

/** The three of kstatus, then one for each step. */
function conditionsOf(observed: Observed, stepStatus: StepStatus): Condition[] {
  const { reason, message } = stepStatus;
  const { stalls, retries } = REASONS[reason];
  const isDone = stepStatus.at === 'done';
  const paused = reason === 'Suspended';
  const facts: [ConditionType, Condition['status'], ReasonName, string][] = [
    ['Ready', isDone ? 'True' : 'False', reason, message],
    // kstatus takes the first of the two that is true: what needs a person would look as if it progressed.
    ['Reconciling', !isDone && retries && !stalls && !paused ? 'True' : 'False', reason, message],
    ['Stalled', stalls ? 'True' : 'False', reason, message],
    ...stepFacts(observed, stepStatus),
  ];
  return facts.map((fact) => conditionOf(observed, ...fact));
}

function stepFacts(
  observed: Observed,
  { at, reason, message }: StepStatus,
): [ConditionType, Condition['status'], ReasonName, string][] {
  const current = at === 'done' ? STEPS.length : STEPS.findIndex(({ condition }) => condition === at);
  return STEPS.map(({ condition, isDone, done }, i) => {
    // What is done stays done, also when an earlier step is in question again, such as by an invalid edit.
    if (i < current || (i > current && isDone(observed))) return [condition, 'True', ...done(observed)];
    if (i > current) {
      return [condition, 'Unknown', 'Pending', `Begins when the dataset is ${STEPS[i - 1]!.condition.toLowerCase()}`];
    }
    return [condition, REASONS[reason].stalls ? 'False' : 'Unknown', reason, message];
  });
}

function conditionOf(
  { owner, status, now }: Observed,
  type: ConditionType,
  value: Condition['status'],
  reason: ReasonName,
  message: string,
): Condition {
  const before = status.conditions?.find((condition) => condition.type === type);
  const since = before?.status === value ? before.lastTransitionTime : new Date(now).toISOString();
  const bounded = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
  return {
    type,
    status: value,
    observedGeneration: owner.generation,
    lastTransitionTime: since,
    reason,
    message: bounded,
  };
}

/** Whether a status says something else, apart from when it was written. */
export const differs = (before: DatasetStatus, after: DatasetStatus): boolean =>
  isUsageNews(before.usage, after.usage) || comparable(before) !== comparable(after);

const comparable = ({ lastUpdateTime: _, usage: _usage, ...status }: DatasetStatus): string => canonicalJson(status);
