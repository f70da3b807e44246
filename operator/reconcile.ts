import { FINALIZER } from '../contract/cluster.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import type { DatasetStatus } from '../contract/schema/status.ts';
import { isNamespaceGoing } from '../kube/errors.ts';
import type { Kube, Stored } from '../kube/types.ts';
import type { Logger } from '../platform/log.ts';
import type { QueueAdmin } from '../platform/queue/types.ts';
import { act } from './act.ts';
import { attentionOf } from './decide/attention.ts';
import { decide } from './decide/decide.ts';
import type { Action, Decision, Settings } from './decide/decision.ts';
import { abandon } from './decide/deleting.ts';
import type { LineageReporter } from './lineage/reporter.ts';
import { createEnds } from './observe/ends.ts';
import { createParser, isUntouched, type ObserveContext, observe, ownerOf } from './observe/observe.ts';
import type { ProgressStore } from './observe/progress-store.ts';
import { createQueueObserver } from './observe/queue.ts';
import { createTrainerObserver } from './observe/trainer.ts';
import type { Observed, Owner } from './observed.ts';
import { type Setback, setbackOf } from './setback.ts';
import { createStatusWriter, type StatusWriter } from './status-writer.ts';

/** Reconciles one dataset: observe, decide, act, report. */

export interface EventRecorder {
  /** Writes an Event about an object; never rejects. */
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
  readonly lineage: LineageReporter;
  readonly settings: Settings;
  /** Whether no other installation of the class looks after the datasets of the namespace. Rejects where that is unknown. */
  readonly mayWorkIn: (namespace: string) => Promise<boolean>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Seconds that news may wait, since others wait for their first look. */
  readonly patience: () => number;
  /** The present status of a dataset. */
  readonly onStatus: (key: Key, status: DatasetStatus) => void;
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
  /** Resource version at which nothing is left to do: as long as it stays, nothing happens without an event. */
  readonly settledAt?: string;
}

export type Reconcile = (key: Key, log: Logger) => Promise<Result>;

export function createReconciler(context: ReconcileContext): Reconcile {
  const parser = createParser();
  const queueObserver = createQueueObserver(context);
  const trainer = createTrainerObserver(context);
  const ends = createEnds(context.now);
  const statuses = createStatusWriter({
    ...context,
    onStatus: (observed, status) => {
      context.onStatus(observed.owner, status);
      report(context.lineage, observed, status);
    },
    onTransition: ({ owner }, event) => context.events.record({ owner, ...event }),
  });
  const failingSince = new Map<string, number>();
  /** The dataset that a key last stood for. */
  const uids = new Map<string, string>();
  const forget = (key: Key): void => {
    const uid = uids.get(idOf(key));
    if (uid === undefined) return;
    uids.delete(idOf(key));
    parser.forget(uid);
    context.progress.forget(uid);
    queueObserver.forget(uid);
    ends.forget(uid);
    statuses.forget(uid);
    context.lineage.forget(uid);
    failingSince.delete(uid);
    context.onSeen(uid, null);
  };
  /** Parses a dataset that is not looked at any more: a parsed quota is large. */
  const parsedOnce = (object: Stored): SyntheticDataset | null => {
    const parsed = parser.parse(object);
    parser.forget(object.metadata.uid);
    return 'dataset' in parsed ? parsed.dataset : null;
  };
  return async (key, log) => {
    const object = await context.kube.get({ kind: 'SyntheticDataset', ...key });
    if (!object || uids.get(idOf(key)) !== object.metadata.uid) forget(key);
    if (!object) return {};
    const { uid, resourceVersion } = object.metadata;
    const attention = attentionOf(object, context.settings.operatorClass, !context.progress.has(uid));
    if (attention === 'foreign') {
      forget(key);
      return { settledAt: resourceVersion };
    }
    // It is looked at again once the namespace is this installation's.
    if (attention === 'full' && !(await context.mayWorkIn(key.namespace))) {
      forget(key);
      return {};
    }
    uids.set(idOf(key), uid);
    if (attention === 'settled') {
      context.onSeen(uid, key);
      const status = object.status as DatasetStatus;
      context.onStatus(key, status);
      context.lineage.report({ owner: ownerOf(object), status, dataset: () => parsedOnce(object) });
      return { settledAt: resourceVersion };
    }
    const { observe: observeQueue } = queueObserver;
    const inner = {
      ...context,
      parse: parser.parse,
      observeQueue,
      observeTrainer: trainer.observe,
      forgetTrainer: trainer.forget,
      endsOf: ends.of,
      statuses,
      failingSince,
    };
    const result = await reconcileObject(inner, object, key, log);
    // A parsed quota is large, and not needed any more.
    if (result.settledAt !== undefined) parser.forget(uid);
    return result;
  };
}

const idOf = ({ namespace, name }: Key): string => `${namespace}/${name}`;

interface ObjectContext
  extends ReconcileContext,
    Pick<ObserveContext, 'parse' | 'observeQueue' | 'observeTrainer' | 'endsOf'> {
  readonly statuses: StatusWriter;
  /** A TrainJob was refused. */
  readonly forgetTrainer: () => void;
  /** By UID: when its actions began to fail, of those that failed last. */
  readonly failingSince: Map<string, number>;
}

async function reconcileObject(context: ObjectContext, object: Stored, key: Key, log: Logger): Promise<Result> {
  const observed = await observe(context, object);
  context.onSeen(observed.owner.uid, key, observed);
  const decision = withFinalizer(observed, decide(observed, context.settings));
  log.debug({ policy: decision.policy, actions: decision.actions.map(({ type }) => type) }, 'decided');
  const setback = await carryOut(context, observed, decision, log);
  if (setback && observed.owner.deleting && isNamespaceGoing(setback.error)) {
    const left = await carryOut(context, observed, abandon(observed), log);
    if (left) throw left.error;
    report(context.lineage, observed, observed.status);
    return {};
  }
  if (setback && !setback.isRefusal) {
    // That the status cannot be written, either, is the lesser news.
    if (setback.stepStatus) await context.statuses.write(observed, reporting(decision, setback)).catch(() => null);
    throw setback.error;
  }
  const patience = context.patience();
  // A write of it costs the API server as much as a Job, and the plan that is about to come changes it again.
  const isStarting = !setback && isUntouched(object) && decision.stepStatus?.reason === 'Starting';
  if (isStarting && patience >= CROWD_SECONDS) return { requeueAfter: patience };
  const heldMs = await context.statuses.write(observed, setback ? reporting(decision, setback) : decision);
  const waits = [setback ? REFUSED_SECONDS : decision.requeueAfter, heldMs === null ? undefined : heldMs / 1000];
  const known = waits.filter((seconds) => seconds !== undefined);
  if (known.length > 0) return { requeueAfter: Math.min(...known) };
  const isOver = decision.stepStatus?.at === 'done' && decision.actions.length === 0;
  return isOver ? { settledAt: object.metadata.resourceVersion } : {};
}

const report = (lineage: LineageReporter, { owner, parsed }: Observed, status: DatasetStatus): void =>
  lineage.report({ owner, status, dataset: () => ('dataset' in parsed ? parsed.dataset : null) });

const reporting = (decision: Decision, { stepStatus }: Setback): Decision => ({ ...decision, stepStatus });

/** So that nothing is begun that deletion would not undo. */
function withFinalizer({ owner }: Observed, decision: Decision): Decision {
  if (owner.deleting || owner.finalizers.includes(FINALIZER)) return decision;
  return { ...decision, actions: [{ type: 'addFinalizer' }, ...decision.actions] };
}

/** News waits so long where a crowd of new datasets waits: their Jobs go before the first status of those that have theirs. */
const CROWD_SECONDS = 1;
/** Refusals of the API server need a person: an admission rule, a field that no pod may have. */
const REFUSED_SECONDS = 30;

/** @returns the first action that failed; null when all are done */
async function carryOut(
  context: ObjectContext,
  observed: Observed,
  decision: Decision,
  log: Logger,
): Promise<Setback | null> {
  const { owner, now } = observed;
  const fail = (action: Action, error: unknown): Setback => {
    const since = context.failingSince.get(owner.uid) ?? now;
    context.failingSince.set(owner.uid, since);
    if (action.type === 'apply' && action.object.kind === 'TrainJob') context.forgetTrainer();
    return setbackOf(error, { action, decision, observed, failingMs: now - since });
  };
  const first = decision.actions.filter(mayGoFirst);
  const firstDone = await Promise.allSettled(first.map((action) => act(context, owner, action)));
  const failed = firstDone.findIndex(({ status }) => status === 'rejected');
  if (failed !== -1) return fail(first[failed]!, (firstDone[failed] as PromiseRejectedResult).reason);
  for (const action of decision.actions.filter((one) => !mayGoFirst(one))) {
    try {
      await act(context, owner, action);
    } catch (error) {
      return fail(action, error);
    }
    announce(context, owner, action, log);
  }
  context.failingSince.delete(owner.uid);
  return null;
}

/**
 * Actions that need not wait for each other, and that nothing before them prepares: the finalizer, and what a Job needs beside
 * it, which goes with the dataset.
 */
const mayGoFirst = (action: Action): boolean =>
  action.type === 'addFinalizer' || (action.type === 'apply' && !/Job$/.test(action.object.kind));

function announce({ events }: ObjectContext, owner: Owner, action: Action, log: Logger): void {
  const message = 'event' in action ? action.event : undefined;
  if (message === undefined) return;
  log.info({ action: action.type }, message);
  const type = 'warning' in action && action.warning ? 'Warning' : 'Normal';
  events.record({ owner, type, reason: EVENT_REASONS[action.type] ?? action.type, message });
}

const EVENT_REASONS: Readonly<Partial<Record<Action['type'], string>>> = {
  apply: 'JobApplied',
  deleteJob: 'JobDeleted',
  removeFinalizer: 'Deleted',
  fillQueue: 'QueueFilled',
};
