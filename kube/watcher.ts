import type { Logger } from '../platform/log.ts';
import type { Clock } from './clock.ts';
import { networkError } from './errors.ts';
import type { Kube, ListQuery, ObjectMeta } from './types.ts';
import type { WatchSource } from './watch-stream.ts';

/**
 * Keeps a watch on one kind for as long as the operator runs. It is the one that restarts it: after an end, after an error,
 * with a new list when the old version is gone, and with a new list every now and then in any case.
 *
 * ```
 *   list ──▶ watch ──▶ ended or broken ──▶ (pause) ──▶ watch from where it was
 *    ▲                     │
 *    └── 410, or the list is old: (pause)
 * ```
 */

export interface WatcherOptions {
  readonly kube: Pick<Kube, 'list'>;
  readonly source: WatchSource;
  readonly query: ListQuery;
  /** The key that an object is about; null for one that is about none. */
  readonly keyOf: (metadata: ObjectMeta) => string | null;
  /**
   * Called for each object of a list, each change, and each object that is gone; `metadata` is null once it is. `isListed` is
   * true for the objects of a list, which is there so that nothing is missed. Must not throw.
   */
  readonly onKey: (key: string, metadata: ObjectMeta | null, isListed: boolean) => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Between two lists, give or take a tenth, so that not all watchers list at once. */
  readonly resyncMs: number;
  /** The kind need not be installed, nor the operator be allowed to see it; it is looked for again at each resync. */
  readonly optional?: boolean;
  readonly idleMs?: number;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
}

/** A watch that ends without an event and earlier than this was not worth its request. */
const SHORT_MS = 5_000;
/** Half as long again as API servers take between two bookmarks. */
const IDLE_MS = 90_000;
const BACKOFF = { firstMs: 500, maxMs: 10_000 };

export interface WatcherState {
  /** True once the first list has been handed over. */
  readonly listed: boolean;
  /** The error that keeps the watch from running; null while there is one or a new one is on its way after an ordinary end. */
  readonly problem: string | null;
}

export class Watcher {
  readonly #options: WatcherOptions;
  readonly #stopping = new AbortController();
  /** Key by `namespace/name` of every object that is there, to notice those that went away unseen. */
  readonly #known = new Map<string, string>();
  #version: string | null = null;
  #listAgainAt = 0;
  #failures = 0;
  /** Whether the last list was one after a 410, and no watch has followed yet. */
  #listedInVain = false;
  #listed = false;
  #problem: string | null = null;
  #loop: Promise<void> | null = null;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  get state(): WatcherState {
    return { listed: this.#listed, problem: this.#problem };
  }

  /** Begins to watch; a second call does nothing. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Ends the watch for good, and waits until it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const pause = await this.#round();
      if (pause > 0) await this.#sleep(pause);
    }
  }

  /** One list, if it is time for one, and one watch. Returns how long to wait before the next, in ms. */
  async #round(): Promise<number> {
    const { clock, query, log, optional } = this.#options;
    const started = clock.now();
    try {
      if (this.#version === null || started >= this.#listAgainAt) await this.#list();
      const events = await this.#watch();
      this.#listedInVain = false;
      // A quiet watch is a good one; one that ends at once, over and over, is a storm.
      this.#failures = events === 0 && clock.now() - started < SHORT_MS ? this.#failures + 1 : 0;
      return this.#failures > 1 ? this.#pause() : 0;
    } catch (thrown) {
      if (this.#stopping.signal.aborted) return 0;
      const error = networkError(`watch ${query.kind}`, thrown);
      if (optional && (error.kind === 'noSuchKind' || error.kind === 'forbidden')) return this.#passOver();
      this.#failures++;
      if (error.kind === 'gone') {
        this.#version = null;
        // The server is there, however long it was away. One that says so again and again is left alone like any other.
        if (!this.#listedInVain) {
          this.#listedInVain = true;
          this.#failures = 0;
          return 0;
        }
      }
      const pause = Math.max(this.#pause(), (error.retryAfterSeconds ?? 0) * 1000);
      this.#problem = error.message;
      log.warn({ kind: query.kind, reason: error.reason, retryInMs: Math.round(pause) }, error.message);
      return pause;
    }
  }

  /** There is nothing to watch. */
  #passOver(): number {
    this.#version = null;
    this.#failures = 0;
    this.#listed = true;
    this.#problem = null;
    return this.#options.resyncMs;
  }

  async #list(): Promise<void> {
    const { kube, query, clock, random, resyncMs, onKey } = this.#options;
    const { items, resourceVersion } = await kube.list({ ...query, metadataOnly: true });
    if (this.#stopping.signal.aborted) return;
    const before = new Map(this.#known);
    this.#known.clear();
    for (const { metadata } of items) {
      before.delete(nameOf(metadata));
      this.#report(metadata, 'LISTED');
    }
    for (const key of before.values()) onKey(key, null, true);
    this.#version = resourceVersion;
    this.#listAgainAt = clock.now() + resyncMs * (0.9 + random() / 5);
    this.#listed = true;
  }

  /** Returns how many events came. */
  async #watch(): Promise<number> {
    const { source, query, clock, idleMs = IDLE_MS } = this.#options;
    if (this.#version === null) return 0;
    const events = source({
      query,
      resourceVersion: this.#version,
      lifetimeMs: Math.max(1000, this.#listAgainAt - clock.now()),
      idleMs,
      signal: this.#stopping.signal,
      onOpen: () => {
        this.#problem = null;
      },
    });
    let count = 0;
    for await (const { type, metadata } of events) {
      count++;
      this.#listedInVain = false;
      this.#version = metadata.resourceVersion;
      this.#failures = 0;
      if (type !== 'BOOKMARK') this.#report(metadata, type);
    }
    return count;
  }

  #report(metadata: ObjectMeta, type: 'LISTED' | 'ADDED' | 'MODIFIED' | 'DELETED'): void {
    const key = this.#options.keyOf(metadata);
    if (key === null) return;
    if (type === 'DELETED') this.#known.delete(nameOf(metadata));
    else this.#known.set(nameOf(metadata), key);
    this.#options.onKey(key, type === 'DELETED' ? null : metadata, type === 'LISTED');
  }

  #pause(): number {
    const { backoff = BACKOFF, random } = this.#options;
    return Math.min(backoff.maxMs, backoff.firstMs * 2 ** (this.#failures - 1)) * (0.5 + random() / 2);
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, end);
      signal.addEventListener('abort', end);
    });
  }
}

const nameOf = ({ namespace, name }: ObjectMeta): string => `${namespace}/${name}`;
