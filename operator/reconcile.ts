import { FINALIZER, LABELS } from '../contract/cluster.ts';
import { REASONS } from '../contract/reasons.ts';
import type { DatasetStatus } from '../contract/schema/status.ts';
import { isKubeError, type KubeError } from '../kube/errors.ts';
import type { Kube, Stored } from '../kube/types.ts';
import type { Logger } from '../platform/log.ts';
import type { QueueAdmin } from '../platform/queue/types.ts';
import { act, refOf } from './act.ts';
import { decide } from './decide/decide.ts';
import type { Action, Decision, Settings, StepStatus } from './decide/decision.ts';
import { createParser, type ObserveContext, observe } from './observe/observe.ts';
import type { ProgressStore } from './observe/progress-store.ts';
import { createQueueObserver } from './observe/queue.ts';
import type { Observed, Owner } from './observed.ts';
import { differs, nextStatus } from './status.ts';

/** Reconciles one dataset: observe, decide, act, report. */

export interface EventRecorder {
  /** Tells the story of an object to people; never rejects. */
  record(event: {
    readonly owner: Owner;
    readonly type: 'Normal' | 'Warning';
    readonly reason: string;
    readonly message: string;
  }): void;
}

export interface ReconcileContext {
  readonly kube: Kube;
  readonly queue: QueueAdmin;
  /** Whether all that the queue had stored has been read. */
  readonly isCurrent: () => boolean;
  readonly progress: ProgressStore;
  readonly events: EventRecorder;
  readonly settings: Settings;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The dataset was looked at; null once it is gone. */
  readonly onSeen: (uid: string, key: Key | null, observed?: Observed) => void;
}

export interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface Result {
  /** Seconds after which to reconcile again, even if nothing happens. */
  readonly requeueAfter?: number;
}

export type Reconcile = (key: Key, log: Logger) => Promise<Result>;

export function createReconciler(context: ReconcileContext): Reconcile {
  const parser = createParser();
  const observeQueue = createQueueObserver(context);
  /** The dataset that a key last stood for. */
  const uids = new Map<string, string>();
  const forget = (key: Key): void => {
    const uid = uids.get(idOf(key));
    if (uid === undefined) return;
    uids.delete(idOf(key));
    parser.forget(uid);
    context.progress.forget(uid);
    context.onSeen(uid, null);
  };
  return async (key, log) => {
    const object = await context.kube.get({ kind: 'SyntheticDataset', ...key });
    if (!object || uids.get(idOf(key)) !== object.metadata.uid) forget(key);
    if (!object) return {};
    uids.set(idOf(key), object.metadata.uid);
    return reconcileObject({ ...context, parse: parser.parse, observeQueue }, object, key, log);
  };
}

const idOf = ({ namespace, name }: Key): string => `${namespace}/${name}`;

async function reconcileObject(
  context: ReconcileContext & Pick<ObserveContext, 'parse' | 'observeQueue'>,
  object: Stored,
  key: Key,
  log: Logger,
): Promise<Result> {
  const observed = await observe(context, object);
  context.onSeen(observed.owner.uid, key, observed);
  const decision = withFinalizer(observed, decide(observed, context.settings));
  log.debug({ policy: decision.policy, actions: decision.actions.map(({ type }) => type) }, 'decided');
  const refusal = await carryOut(context, observed, decision, log);
  await writeStatus(context, observed, refusal ? { ...decision, stepStatus: refusal } : decision);
  if (refusal) return { requeueAfter: REFUSED_SECONDS };
  return decision.requeueAfter === undefined ? {} : { requeueAfter: decision.requeueAfter };
}

/** So that nothing is begun that deletion would not undo. */
function withFinalizer({ owner }: Observed, decision: Decision): Decision {
  if (owner.deleting || owner.finalizers.includes(FINALIZER)) return decision;
  return { ...decision, actions: [{ type: 'addFinalizer' }, ...decision.actions] };
}

/** Refusals of the API server need somebody's help: a quota, an admission rule, a field that no pod may have. */
const REFUSED_SECONDS = 30;

/** @returns what to say instead when the API server does not take an object for good */
async function carryOut(
  context: ReconcileContext,
  observed: Observed,
  { actions, stepStatus }: Decision,
  log: Logger,
): Promise<StepStatus | null> {
  const { owner } = observed;
  for (const action of actions) {
    try {
      await act(context, owner, action);
    } catch (error) {
      if (action.type !== 'apply' || !stepStatus || !isKubeError(error, 'invalid', 'forbidden', 'noSuchKind'))
        throw error;
      return { at: stepStatus.at, reason: 'CreateRefused', message: refusalMessage(action, error) };
    }
    const message = 'event' in action ? action.event : undefined;
    if (message === undefined) continue;
    log.info({ action: action.type }, message);
    context.events.record({ owner, type: 'Normal', reason: EVENT_REASONS[action.type] ?? action.type, message });
  }
  return null;
}

const EVENT_REASONS: Readonly<Partial<Record<Action['type'], string>>> = {
  apply: 'JobApplied',
  deleteJob: 'JobDeleted',
  removeFinalizer: 'Deleted',
  fillQueue: 'QueueFilled',
};

function refusalMessage({ object }: Extract<Action, { type: 'apply' }>, error: KubeError): string {
  const { kind, metadata } = object;
  if (error.kind === 'noSuchKind') {
    return `${kind} ${metadata.name} cannot be made: the API server knows no ${kind}; install Kubeflow Trainer, or remove runtimeRef from spec.training.stages`;
  }
  const place = metadata.labels?.[LABELS.role] === 'train' ? 'spec.training' : 'spec.workers';
  return `${kind} ${metadata.name} is not accepted by the API server: ${error.message}; correct ${place}, or what refuses it`;
}

/** One patch, and none when nothing would change; Events only after it has landed. */
async function writeStatus(context: ReconcileContext, observed: Observed, decision: Decision): Promise<void> {
  const next = nextStatus(observed, decision);
  if (!next || !differs(observed.status, next)) return;
  await context.kube.patchStatus({ ...refOf(observed.owner), uid: observed.owner.uid }, next);
  for (const event of transitions(observed.status, next)) context.events.record({ owner: observed.owner, ...event });
}

/** What has come about: another reason of Ready, or a step that is done. */
function transitions(before: DatasetStatus, after: DatasetStatus) {
  const was = (type: string) => before.conditions?.find((condition) => condition.type === type);
  return (after.conditions ?? []).flatMap(({ type, status, reason, message }) => {
    const isStep = type !== 'Ready' && type !== 'Reconciling' && type !== 'Stalled';
    const isNews = isStep
      ? status === 'True' && was(type)?.status !== 'True'
      : type === 'Ready' && was(type)?.reason !== reason;
    if (!isNews) return [];
    const stalls = REASONS[reason as keyof typeof REASONS]?.stalls ?? false;
    return [{ type: stalls ? ('Warning' as const) : ('Normal' as const), reason, message }];
  });
}
