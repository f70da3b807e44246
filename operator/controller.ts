import { randomUUID } from 'node:crypto';
import { FINALIZER, LABELS, MANAGED_BY } from '../contract/cluster.ts';
import { Failure } from '../contract/failure.ts';
import type { Clock } from '../kube/clock.ts';
import { isKubeError, KubeError } from '../kube/errors.ts';
import type { Kube, ListQuery, ObjectMeta } from '../kube/types.ts';
import type { WatchSource } from '../kube/watch-stream.ts';
import { Watcher } from '../kube/watcher.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import type { Logger } from '../platform/log.ts';
import type { Checks } from './http.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { Key, Reconcile } from './reconcile.ts';

/** The loop: whatever changes puts a dataset's key into the work queue, and the queue has it reconciled. */

export interface ControllerOptions {
  readonly kube: Pick<Kube, 'list'>;
  readonly source: WatchSource;
  readonly reconcile: Reconcile;
  /** Empty for all. */
  readonly namespaces: readonly string[];
  readonly resyncSeconds: number;
  readonly concurrency: number;
  readonly metrics: Pick<Metrics, 'reconciled'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** So that the events of many pods of one Job start one reconcile. */
const MIN_INTERVAL_MS = 250;
const MAX_PATIENCE_SECONDS = 5;
/** About as many looks as a second is enough for. */
const WAITING_PER_SECOND = 20;
const BACKOFF = { firstMs: 500, maxMs: 60_000 };
/** Every call has its time limit; a reconcile that takes longer than this hangs. */
const HANGS_MS = 300_000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #watchers: readonly Watcher[];
  /** UIDs of the existing datasets. */
  readonly #keys = new Map<string, string>();
  readonly #uids = new Map<string, string>();
  readonly #versions = new Map<string, Version>();
  /** Resource versions at which nothing was left to do. */
  readonly #settled = new Map<string, string>();

  constructor(options: ControllerOptions) {
    const { concurrency, clock, random, namespaces } = options;
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      concurrency,
      minIntervalMs: MIN_INTERVAL_MS,
      backoff: BACKOFF,
      clock,
      random,
      onFailure: (key, error, retryInMs) => this.#failed(key, error, retryInMs),
    });
    const places = namespaces.length === 0 ? [{}] : namespaces.map((namespace) => ({ namespace }));
    this.#watchers = places.flatMap((place) => this.#watchersOf(place));
  }

  start(): void {
    for (const watcher of this.#watchers) watcher.start();
  }

  /** Something about the dataset with this uid has changed outside the API server. */
  wake(uid: string, afterSeconds: number): void {
    const key = this.#keys.get(uid);
    if (key !== undefined) this.#queue.addAfter(key, Math.max(afterSeconds, this.patience));
  }

  /** Looks at every dataset of the namespace, when nothing else is due. */
  lookAgain(namespace: string): void {
    for (const key of this.#keys.values()) if (key.startsWith(`${namespace}/`)) this.#queue.addIdle(key);
  }

  /**
   * Seconds that news of a running dataset waits while many others do: until then more of it comes in, and what a person has
   * just asked for goes first.
   */
  get patience(): number {
    return Math.min(MAX_PATIENCE_SECONDS, this.#queue.due / WAITING_PER_SECOND);
  }

  /** Whether there is a dataset with this UID; null while the datasets have not been listed. */
  knows(uid: string): boolean | null {
    if (this.#keys.has(uid)) return true;
    return this.#watchers.every(({ state }) => state.listed) ? false : null;
  }

  /** Begins nothing more, and waits for what runs, but not for ever. @returns whether all has ended */
  async stop(boundMs: number): Promise<boolean> {
    const ended = Promise.all([this.#queue.stop(), ...this.#watchers.map((watcher) => watcher.stop())]);
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const cancel = this.#options.clock.after(boundMs, () => resolve(false));
    const inTime = await Promise.race([ended.then(() => true), late]);
    cancel();
    return inTime;
  }

  /** Datasets whose turn has come but that are not looked at yet. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** Problems that only a restart can fix. */
  get healthy(): Checks {
    return {
      reconcile: () =>
        this.#queue.longestRunMs > HANGS_MS
          ? `one has not ended for ${Math.round(this.#queue.longestRunMs / 1000)} seconds`
          : null,
    };
  }

  get ready(): Checks {
    return {
      watches: () => {
        const states = this.#watchers.map(({ state }) => state);
        const problem = states.find((state) => state.problem !== null)?.problem;
        return problem ?? (states.every(({ listed }) => listed) ? null : 'the first list is not there yet');
      },
    };
  }

  #watchersOf(place: Pick<ListQuery, 'namespace'>): Watcher[] {
    const { kube, source, clock, random, log, resyncSeconds } = this.#options;
    const base = { kube, source, clock, random, log, resyncMs: resyncSeconds * 1000 };
    const ofChild = {
      // Children that lost their label are found by the resync of their dataset.
      keyOf: ({ namespace, labels }: ObjectMeta) =>
        labels?.[LABELS.dataset] === undefined ? null : `${namespace}/${labels[LABELS.dataset]}`,
      onKey: (key: string, _metadata: ObjectMeta | null, isListed: boolean) => {
        if (!isListed) this.#queue.addAfter(key, this.patience);
        else if (!this.#settled.has(key)) this.#queue.addIdle(key);
      },
    };
    const labels = { [LABELS.managedBy]: MANAGED_BY };
    return [
      new Watcher({
        ...base,
        query: { kind: 'SyntheticDataset', ...place },
        keyOf: ({ namespace, name }) => `${namespace}/${name}`,
        onKey: (key, metadata, isListed) => {
          this.#remember(key, metadata?.uid);
          const isNews = this.#isNews(key, metadata);
          const isSettled = metadata !== null && this.#settled.get(key) === metadata.resourceVersion;
          if (isNews && (!isListed || isWaitedFor(metadata, clock.now()))) this.#queue.addFirst(key);
          else if (isListed && !isSettled) this.#queue.addIdle(key);
        },
      }),
      new Watcher({ ...base, query: { kind: 'Job', labels, ...place }, ...ofChild }),
      new Watcher({ ...base, query: { kind: 'TrainJob', labels, ...place }, ...ofChild, optional: true }),
    ];
  }

  /** The operator's own writes, status and finalizer, do not count: each would start the next reconcile, for ever. */
  #isNews(key: string, metadata: ObjectMeta | null): boolean {
    const before = this.#versions.get(key);
    if (metadata === null) {
      this.#versions.delete(key);
      this.#settled.delete(key);
      return true;
    }
    const version = versionOf(metadata);
    this.#versions.set(key, version);
    return before?.asked !== version.asked || (before.isHeld && !version.isHeld);
  }

  #remember(key: string, uid: string | undefined): void {
    const before = this.#uids.get(key);
    if (before !== undefined && before !== uid) this.#keys.delete(before);
    if (uid === undefined) {
      this.#uids.delete(key);
    } else {
      this.#uids.set(key, uid);
      this.#keys.set(uid, key);
    }
  }

  async #work(id: string): Promise<{ requeueAfter?: number }> {
    const { reconcile, metrics, log, clock } = this.#options;
    const key = keyOf(id);
    const started = clock.now();
    const seconds = () => (clock.now() - started) / 1000;
    const own = log.child({ reconcile: randomUUID().slice(0, 8), ...key, uid: this.#uids.get(id) });
    try {
      const result = await reconcile(key, own);
      if (result.settledAt === undefined) this.#settled.delete(id);
      else this.#settled.set(id, result.settledAt);
      metrics.reconciled(seconds(), null);
      own.debug({ seconds: seconds(), requeueAfter: result.requeueAfter }, 'reconciled');
      return result;
    } catch (error) {
      metrics.reconciled(seconds(), reasonOf(error));
      throw error;
    }
  }

  #failed(id: string, error: unknown, retryInMs: number): void {
    const { log } = this.#options;
    const facts = { ...keyOf(id), uid: this.#uids.get(id), reason: reasonOf(error), retryInMs: Math.round(retryInMs) };
    const { message, stack } = error as Error;
    // Another writer was faster: nothing is wrong.
    if (isKubeError(error, 'conflict')) log.debug(facts, message);
    else if (isForeseen(error)) log.warn(facts, message);
    else log.error({ ...facts, stack }, message);
  }
}

interface Version {
  /** Everything that another writer may have requested. */
  readonly asked: string;
  /** Whether our finalizer is there. */
  readonly isHeld: boolean;
}

function versionOf(metadata: ObjectMeta): Version {
  const { uid, generation, deletionTimestamp, annotations = {}, finalizers = [] } = metadata;
  const others = finalizers.filter((name) => name !== FINALIZER);
  const asked = JSON.stringify([uid, generation, deletionTimestamp, Object.entries(annotations).sort(), others]);
  return { asked, isHeld: finalizers.includes(FINALIZER) };
}

/** A dataset without our finalizer is new for so long; an older one is most likely of a class whose operator is absent. */
const NEW_MS = 3_600_000;

/** Whether a dataset that was listed is new, or is to go: a person waits for it. */
function isWaitedFor(metadata: ObjectMeta | null, now: number): boolean {
  if (metadata === null) return false;
  const { deletionTimestamp, creationTimestamp = '', finalizers = [] } = metadata;
  if (deletionTimestamp !== undefined) return true;
  const isOld = now - Date.parse(creationTimestamp) > NEW_MS;
  return !finalizers.includes(FINALIZER) && !isOld;
}

const keyOf = (id: string): Key => {
  const [namespace, name] = id.split('/');
  return { namespace: namespace!, name: name! };
};

/** Foreseen errors, whose reason is a word for programs; the API server's are open-ended. */
const isForeseen = (error: unknown): error is Failure | KubeError =>
  error instanceof Failure || error instanceof KubeError;

const reasonOf = (error: unknown): string =>
  isForeseen(error) ? error.reason : error instanceof Error ? error.name : 'Error';
