import { FIELD_MANAGER } from '../contract/cluster.ts';
import { sha256 } from '../contract/digest.ts';
import { API_VERSION, KIND } from '../contract/names.ts';
import type { Logger } from '../platform/log.ts';
import type { Clock } from './clock.ts';
import { microTime } from './clock.ts';
import { isKubeError, type KubeError } from './errors.ts';
import type { Kube, KubeObject } from './types.ts';

/**
 * Events report to people what was done. A repeated Event about the same object becomes one Event with a count, also when
 * another process recorded it first; an object with too many Events is muted for a while; no failure here reaches
 * the work.
 */

export interface EventNote {
  /** The object that it is about. */
  readonly owner: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** The kind of that object; a dataset by default. */
  readonly kind?: { readonly apiVersion: string; readonly kind: string };
  readonly type: 'Normal' | 'Warning';
  /** One word for programs, such as `JobApplied`. */
  readonly reason: string;
  /** A sentence for people; cut to what the API server takes. */
  readonly message: string;
}

export interface EventsOptions {
  readonly kube: Pick<Kube, 'get' | 'create' | 'mergePatch'>;
  /** Identity of this process, such as its pod's name. */
  readonly instance: string;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly log: Logger;
}

/** Rate limit of an object's Events: a burst, and one more per interval. */
const BURST = 25;
const REFILL_MS = 30_000;
/** A repetition within this time of the last write is only counted. */
const QUIET_MS = 10_000;
const MAX_REMEMBERED = 2_000;
/** Limits of the API server. */
const MAX_NOTE_BYTES = 1024;
const MAX_NAME = 253;
const MAX_INSTANCE = 128;

interface EventSeries {
  /** Repetitions in this process since it was last written. */
  unwritten: number;
  writtenAt: number;
}

export class Events {
  readonly #options: EventsOptions;
  /** By name of the Event object; the least recently reported comes first. */
  readonly #series = new Map<string, EventSeries>();
  /** Events left for each object, by uid. */
  readonly #budgets = new Map<string, { left: number; at: number }>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Says it, in a while and if it can. Never throws and never waits. */
  record(event: EventNote): void {
    const now = this.#options.clock.now();
    const name = eventName(event);
    const series = this.#series.get(name) ?? { unwritten: 0, writtenAt: Number.NEGATIVE_INFINITY };
    series.unwritten++;
    remember(this.#series, name, series);
    if (now - series.writtenAt < QUIET_MS || !this.#mayWrite(event.owner.uid, now)) return;
    const times = series.unwritten;
    series.unwritten = 0;
    series.writtenAt = now;
    this.#writing = this.#writing.then(() => this.#write(event, name, times));
  }

  /** Resolves when every Event so far has been written or given up. */
  flush(): Promise<void> {
    return this.#writing;
  }

  #mayWrite(uid: string, now: number): boolean {
    const { left, at } = this.#budgets.get(uid) ?? { left: BURST, at: now };
    const earned = Math.floor((now - at) / REFILL_MS);
    const budget = { left: Math.min(BURST, left + earned), at: at + earned * REFILL_MS };
    const may = budget.left > 0;
    if (may) budget.left--;
    remember(this.#budgets, uid, budget);
    return may;
  }

  async #write(event: EventNote, name: string, times: number): Promise<void> {
    try {
      await this.#create(event, name, times).catch((error: KubeError) => {
        if (isKubeError(error, 'conflict')) return this.#count(event.owner.namespace, name, times);
        throw error;
      });
    } catch (error) {
      const { namespace, name: object } = event.owner;
      this.#options.log.debug({ namespace, name: object, event: event.reason }, (error as Error).message);
    }
  }

  #create({ owner, kind, type, reason, message }: EventNote, name: string, times: number): Promise<unknown> {
    const { kube, instance, wallClock } = this.#options;
    const { namespace, uid } = owner;
    const now = microTime(wallClock());
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace, name },
      eventTime: now,
      reportingController: `${API_VERSION.split('/')[0]}/${FIELD_MANAGER}`,
      reportingInstance: instance.slice(0, MAX_INSTANCE),
      type,
      reason,
      // Wanted by the API server; what was done is what is reported.
      action: reason,
      note: cut(message, MAX_NOTE_BYTES),
      regarding: { ...(kind ?? { apiVersion: API_VERSION, kind: KIND }), namespace, name: owner.name, uid },
      ...(times > 1 ? { series: { count: times, lastObservedTime: now } } : {}),
    };
    return kube.create(event);
  }

  /** The Event exists already. */
  async #count(namespace: string, name: string, times: number): Promise<void> {
    const { kube, wallClock } = this.#options;
    const ref = { kind: 'Event', namespace, name } as const;
    const event = await kube.get<KubeObject & { readonly series?: { readonly count?: number } }>(ref);
    const count = (event?.series?.count ?? 1) + times;
    await kube.mergePatch(ref, { series: { count, lastObservedTime: microTime(wallClock()) } });
  }
}

/** The same name for the same words about the same object, in any process. */
function eventName({ owner, type, reason, message }: EventNote): string {
  const digest = sha256(JSON.stringify([owner.uid, type, reason, message])).slice(0, 16);
  return `${owner.name.slice(0, MAX_NAME - digest.length - 1)}.${digest}`;
}

/** The text in at most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  let kept = text.slice(0, bytes - 3);
  while (Buffer.byteLength(kept) > bytes - 3) kept = kept.slice(0, -1);
  // Half of a surrogate pair is not a character.
  return `${kept.replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** Puts it last, and forgets the first when there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value!);
}
