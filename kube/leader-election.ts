import type { Logger } from '../platform/log.ts';
import type { Clock } from './clock.ts';
import { microTime } from './clock.ts';
import { isKubeError, isTransient } from './errors.ts';
import type { Kube, KubeObject, Ref, Stored } from './types.ts';

/**
 * Leader election by a Lease: of all operators of one cluster only one works.
 *
 * ```
 *                  lease free, released, or not renewed by its holder for its duration
 *   standing by ────────────────────────────────────────────────────────▶ leading
 *        ▲                                                                  │
 *        └── release() ─── lost: taken by another, or not renewed in time ──┘
 * ```
 *
 * Clocks of machines differ, so times in the lease are only compared with earlier ones: a holder is gone when the lease
 * has not changed for its whole duration by our own clock. A leader gives up well before that.
 */

export interface LeaderOptions {
  /** Its calls have to end well within `renewDeadlineMs`. */
  readonly kube: Pick<Kube, 'get' | 'create' | 'mergePatch'>;
  readonly namespace: string;
  readonly name: string;
  /** Identity of this process alone: a later one in the same pod has another. */
  readonly identity: string;
  readonly clock: Clock;
  /** Milliseconds since 1970, for people who read the lease. */
  readonly wallClock: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** Called once, when this process leads. */
  readonly onStarted: () => void;
  /** Called once, when it does not lead any more and did not want to: it has to stop all work at once. */
  readonly onLost: (why: string) => void;
  /** Called after each try that found the lease with another holder. */
  readonly onOther?: (lease: Stored<Lease>) => void;
  /** Called after each try that failed. */
  readonly onFailed?: (error: Error) => void;
  /** For how long others wait for a leader that is silent; 15,000 by default. */
  readonly durationMs?: number;
  /** A leader that could not renew for so long gives up; 10,000 by default. */
  readonly renewDeadlineMs?: number;
  /** Between two tries; 2,000 by default. */
  readonly retryMs?: number;
}

interface LeaseSpec {
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  readonly acquireTime?: string | null;
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

export type Lease = KubeObject & { readonly spec?: LeaseSpec };

/** Between a try that failed for a moment and the next one, where that is less than `retryMs`. */
const AGAIN_MS = 2_000;
/** No lease holds for longer, whatever it says: no operator writes a longer one, but anyone may write one by its name. */
const LONGEST_MS = 1_200_000;
const MAX_INT32 = 2 ** 31 - 1;

type Defaults = 'durationMs' | 'renewDeadlineMs' | 'retryMs';

export class Leader {
  readonly #options: LeaderOptions & Required<Pick<LeaderOptions, Defaults>>;
  readonly #ref: Ref;
  #state: 'standing by' | 'leading' | 'over' = 'standing by';
  /** The lease as last seen, and when it was first seen like that. */
  #observed: { readonly version: string; readonly at: number } | null = null;
  /** When the last renewal that succeeded was begun. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #lastTryEndedAt: number;
  /** Since when every try has failed, and why the last one did. */
  #failing: { readonly since: number; readonly tries: number; readonly error: Error } | null = null;
  #cancelTry: () => void = () => undefined;
  #cancelDeadline: () => void = () => undefined;
  #trying: Promise<void> = Promise.resolve();
  readonly #tried = Promise.withResolvers<void>();

  constructor(options: LeaderOptions) {
    this.#options = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, ...options };
    this.#ref = { kind: 'Lease', namespace: options.namespace, name: options.name };
    this.#lastTryEndedAt = options.clock.now();
  }

  start(): void {
    this.#try();
  }

  /** Judged by the clock, too: a process that was stopped for a while does not lead, although no answer has reached it. */
  get leading(): boolean {
    return this.#state === 'leading' && this.#options.clock.now() - this.#renewedAt < this.#options.renewDeadlineMs;
  }

  /** Time since the last completed attempt to acquire or renew the lease, for a health check. */
  get silentMs(): number {
    return this.#options.clock.now() - this.#lastTryEndedAt;
  }

  /**
   * Why nothing has come of several tries for longer than `ms`: no answer, or no right to the lease. Null when all is well, and
   * while only one has failed.
   */
  problemAfter(ms: number): string | null {
    if (this.#failing === null || this.#failing.tries < 2) return null;
    return this.#options.clock.now() - this.#failing.since <= ms ? null : this.#failing.error.message;
  }

  /** Resolves when the first try has ended, whatever has come of it. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Why the last try failed; null where it did not. */
  get failure(): Error | null {
    return this.#failing?.error ?? null;
  }

  /** Tries no more, and leaves a lease that is held to run out. */
  stop(): void {
    this.#end();
  }

  /** Tries no more; a lease that is held becomes free at once. Rejects with a KubeError when that can't be written. */
  async release(): Promise<void> {
    this.#end();
    // What is under way may still take the lease.
    await this.#trying;
    const lease = await this.#options.kube.get<Lease>(this.#ref);
    if (lease?.spec?.holderIdentity !== this.#options.identity) return;
    await this.#write(lease, { ...this.#spec(lease), holderIdentity: '', leaseDurationSeconds: 1 });
  }

  #try(): void {
    this.#trying = this.#tryOnce()
      .then(
        () => {
          this.#failing = null;
        },
        (error: Error) => this.#failed(error),
      )
      .then(() => {
        this.#lastTryEndedAt = this.#options.clock.now();
        this.#tried.resolve();
        if (this.#state === 'over') return;
        const { clock, retryMs, random } = this.#options;
        const pauseMs = isTransient(this.failure) ? Math.min(AGAIN_MS, retryMs) : retryMs;
        this.#cancelTry = clock.after(pauseMs * (0.9 + random() / 5), () => this.#try());
      });
  }

  #failed(error: Error): void {
    const { log, name, clock, onFailed } = this.#options;
    if (isKubeError(error, 'conflict')) {
      log.debug({ lease: name }, `another process was faster: ${error.message}`);
      this.#failing = null;
      return;
    }
    log.warn({ lease: name }, error.message);
    const { since = clock.now(), tries = 0 } = this.#failing ?? {};
    this.#failing = { since, tries: tries + 1, error };
    onFailed?.(error);
  }

  async #tryOnce(): Promise<void> {
    const { kube, clock } = this.#options;
    const begun = clock.now();
    const lease = await kube.get<Lease>(this.#ref);
    if (this.#state === 'over') return;
    if (lease === null) {
      await kube.create(this.#newLease());
    } else {
      this.#observe(lease);
      if (!this.#mayTake(lease)) {
        if (this.#state === 'leading') this.#lose(`${lease.spec?.holderIdentity} has taken the lease`);
        else this.#options.onOther?.(lease);
        return;
      }
      await this.#write(lease, this.#spec(lease));
    }
    this.#renewed(begun);
  }

  #observe({ metadata: { resourceVersion } }: Stored<Lease>): void {
    if (this.#observed?.version === resourceVersion) return;
    this.#observed = { version: resourceVersion, at: this.#options.clock.now() };
  }

  #mayTake({ spec = {} }: Lease): boolean {
    const { identity, clock, durationMs } = this.#options;
    if (!spec.holderIdentity || spec.holderIdentity === identity) return true;
    // A leader that has lost the lease never takes it back: it has to stop first.
    if (this.#state === 'leading') return false;
    const duration = spec.leaseDurationSeconds ? spec.leaseDurationSeconds * 1000 : durationMs;
    return this.#observed !== null && clock.now() - this.#observed.at > Math.min(duration, LONGEST_MS);
  }

  #renewed(begun: number): void {
    if (this.#state === 'over') return;
    const { clock, renewDeadlineMs, onStarted } = this.#options;
    this.#renewedAt = begun;
    this.#cancelDeadline();
    const left = begun + renewDeadlineMs - clock.now();
    this.#cancelDeadline = clock.after(Math.max(0, left), () =>
      this.#lose(`the lease could not be renewed for ${renewDeadlineMs / 1000} seconds`),
    );
    if (this.#state === 'leading') return;
    this.#state = 'leading';
    // Not in here: what it throws has to end the process.
    queueMicrotask(onStarted);
  }

  #lose(why: string): void {
    if (this.#state !== 'leading') return;
    this.#end();
    this.#options.onLost(why);
  }

  #end(): void {
    this.#state = 'over';
    this.#cancelTry();
    this.#cancelDeadline();
  }

  #write(lease: Stored<Lease>, spec: LeaseSpec): Promise<unknown> {
    const { resourceVersion } = lease.metadata;
    return this.#options.kube.mergePatch(this.#ref, { metadata: { resourceVersion }, spec });
  }

  #newLease(): Lease {
    const { namespace, name } = this.#options;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: this.#spec(null),
    };
  }

  /** The lease as this process holds it from now on. */
  #spec(before: Lease | null): LeaseSpec {
    const { identity, durationMs, wallClock } = this.#options;
    const now = microTime(wallClock());
    const { holderIdentity, acquireTime, leaseTransitions } = before?.spec ?? {};
    const same = holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: same && acquireTime ? acquireTime : now,
      renewTime: now,
      leaseTransitions: Math.min(MAX_INT32, (leaseTransitions ?? 0) + (same || before === null ? 0 : 1)),
    };
  }
}
