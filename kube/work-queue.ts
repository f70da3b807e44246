import type { Clock } from './clock.ts';
import { Heap } from './heap.ts';

/**
 * Which key to work on next. Level-driven: a key says only that something about it may have changed, so adding it twice is
 * adding it once.
 *
 * ```
 *            add                      its turn                   done
 *   idle ─────────▶ waiting until due ────────▶ running ─────────────▶ idle
 *                        ▲                         │
 *                        └── added meanwhile, wants another turn, or failed (backoff)
 * ```
 */

export interface WorkQueueOptions {
  /** Works on a key; may ask for another turn in some seconds. A rejection brings the key back after a growing pause. */
  readonly work: (key: string) => Promise<{ readonly requeueAfter?: number }>;
  /** Keys worked on at the same time. */
  readonly concurrency: number;
  /** Shortest time from the start of one turn of a key to that of the next. */
  readonly minIntervalMs: number;
  /** Pause after the first failure of a key, doubled after each further one, up to `maxMs`; then up to half is taken off. */
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onFailure?: (key: string, error: unknown, retryInMs: number) => void;
}

interface Entry {
  readonly key: string;
  /** When it is due; null while it was not requested. */
  due: number | null;
  /** Whether a person waits for its next turn. */
  isUrgent: boolean;
  running: boolean;
  /** When its last turn began. */
  started: number;
  /** Turns that failed since one succeeded. */
  failures: number;
}

/** One turn in so many goes to an idle key, and one to a key that is due, however many others go first. */
const SHARE = 8;

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #entries = new Map<string, Entry>();
  /** Every waiting entry is in one of them at its `due` or earlier; what has changed since is put right when its time comes. */
  #agenda = new Heap<Entry>();
  #urgent = new Heap<Entry>();
  /** Keys that get a turn when no other is due. */
  readonly #idle = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #begun = 0;
  #stopped = false;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** The key wants a turn now; while it is being worked on, it gets another one afterwards. */
  add(key: string): void {
    this.addAfter(key, 0);
  }

  /** The key wants a turn in so many seconds. The earliest wish counts. */
  addAfter(key: string, seconds: number): void {
    if (this.#stopped) return;
    const entry = this.#entryOf(key);
    this.#want(entry, this.#options.clock.now() + Math.max(0, seconds) * 1000);
    this.#pump();
  }

  /** The key wants a turn before all that wait, however long they have; one turn in eight is left to those. */
  addFirst(key: string): void {
    if (this.#stopped) return;
    const entry = this.#entryOf(key);
    if (!entry.isUrgent) {
      entry.isUrgent = true;
      // For a place among those that go first.
      entry.due = null;
    }
    this.#want(entry, this.#options.clock.now());
    this.#pump();
  }

  /** The key may wait until no other is due: nothing has happened to it that is known of. */
  addIdle(key: string): void {
    if (this.#stopped) return;
    this.#idle.add(key);
    this.#pump();
  }

  /** Keys whose turn has come but that are not worked on yet. */
  get depth(): number {
    return this.#idle.size + this.due;
  }

  /** Those among them that something has happened to. */
  get due(): number {
    const now = this.#options.clock.now();
    let ready = 0;
    for (const { due, running } of this.#entries.values()) if (!running && due !== null && due <= now) ready++;
    return ready;
  }

  /** Age of the oldest running turn; 0 when none runs. */
  get longestRunMs(): number {
    const now = this.#options.clock.now();
    let longest = 0;
    for (const { running, started } of this.#entries.values()) if (running) longest = Math.max(longest, now - started);
    return longest;
  }

  /** Keys that are remembered, for whatever reason. */
  get size(): number {
    return this.#entries.size;
  }

  /** Begins no more turns; resolves when those that run have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await Promise.all(this.#running);
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key);
    if (known) return known;
    const entry = { key, due: null, isUrgent: false, running: false, started: Number.NEGATIVE_INFINITY, failures: 0 };
    this.#entries.set(key, entry);
    return entry;
  }

  #want(entry: Entry, at: number): void {
    const due = Math.max(at, entry.started + this.#options.minIntervalMs);
    if (entry.due !== null && entry.due <= due) return;
    entry.due = due;
    if (!entry.running) this.#place(entry);
  }

  #place(entry: Entry): void {
    const agenda = entry.isUrgent ? this.#urgent : this.#agenda;
    // Without a wish an entry stays until its minimum interval is over, then it is forgotten.
    agenda.push(entry.due ?? entry.started + this.#options.minIntervalMs, entry);
  }

  /** Begins all turns that can begin, and wakes up for the next one. */
  #pump(): void {
    const { concurrency } = this.#options;
    while (!this.#stopped && this.#running.size < concurrency) {
      const agenda = this.#nextAgenda();
      if (this.#idle.size > 0 && (agenda === null || this.#begun % SHARE === 0)) this.#takeIdle();
      else if (agenda !== null) this.#settle(agenda.pop()!.value);
      else break;
    }
    const next = Math.min(
      ...[this.#urgent, this.#agenda].map((agenda) => agenda.peek()?.at ?? Number.POSITIVE_INFINITY),
    );
    if (!this.#stopped && this.#running.size < concurrency && next < Number.POSITIVE_INFINITY) this.#wakeAt(next);
  }

  /** The agenda whose first entry is due and has its turn next; null when none is due. */
  #nextAgenda(): Heap<Entry> | null {
    const isOthersTurn = this.#begun % SHARE === SHARE - 1;
    const inOrder = isOthersTurn ? [this.#agenda, this.#urgent] : [this.#urgent, this.#agenda];
    const now = this.#options.clock.now();
    return inOrder.find((agenda) => (agenda.peek()?.at ?? Number.POSITIVE_INFINITY) <= now) ?? null;
  }

  /** Gives an idle key its turn; one that is waited for or worked on already needs none. */
  #takeIdle(): void {
    const [key] = this.#idle;
    this.#idle.delete(key!);
    const entry = this.#entryOf(key!);
    const isPast = entry.started + this.#options.minIntervalMs <= this.#options.clock.now();
    if (entry.running || !isPast) this.#want(entry, this.#options.clock.now());
    else this.#begin(entry);
  }

  /** Handles an entry that is due. */
  #settle(entry: Entry): void {
    // An older place on the agenda; the entry has a later one, or gets one when its turn ends.
    if (entry.running) return;
    const now = this.#options.clock.now();
    if (entry.due !== null) {
      if (entry.due <= now) this.#begin(entry);
    } else if (entry.started + this.#options.minIntervalMs <= now && this.#entries.get(entry.key) === entry) {
      this.#entries.delete(entry.key);
    }
  }

  /** Throws away places that no longer count, once they are the most of all. */
  #tidy(): void {
    if (this.#agenda.size + this.#urgent.size < 4 * this.#entries.size + 64) return;
    this.#agenda = new Heap();
    this.#urgent = new Heap();
    for (const entry of this.#entries.values()) if (!entry.running) this.#place(entry);
  }

  #wakeAt(at: number): void {
    if (this.#timer !== null && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const wake = () => {
      this.#timer = null;
      this.#pump();
    };
    this.#timer = { at, cancel: this.#options.clock.after(Math.max(0, at - this.#options.clock.now()), wake) };
  }

  #begin(entry: Entry): void {
    this.#begun++;
    this.#idle.delete(entry.key);
    entry.due = null;
    entry.isUrgent = false;
    entry.running = true;
    entry.started = this.#options.clock.now();
    const turn = this.#turn(entry).finally(() => {
      this.#running.delete(turn);
      this.#pump();
    });
    this.#running.add(turn);
  }

  async #turn(entry: Entry): Promise<void> {
    const { work, clock, onFailure } = this.#options;
    try {
      const { requeueAfter } = await work(entry.key);
      entry.failures = 0;
      if (requeueAfter !== undefined) this.#want(entry, clock.now() + requeueAfter * 1000);
    } catch (error) {
      entry.failures++;
      const pause = this.#pause(entry.failures, error);
      this.#want(entry, clock.now() + pause);
      onFailure?.(entry.key, error, pause);
    } finally {
      entry.running = false;
      this.#place(entry);
      this.#tidy();
    }
  }

  #pause(failures: number, error: unknown): number {
    const { backoff, random } = this.#options;
    const full = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (failures - 1));
    return Math.max(full * (1 - random() / 2), (retryAfterOf(error) ?? 0) * 1000);
  }
}

/** Seconds that the other side asked for, if the error says so. */
function retryAfterOf(error: unknown): number | undefined {
  const { retryAfterSeconds } = (error ?? {}) as { retryAfterSeconds?: unknown };
  return typeof retryAfterSeconds === 'number' ? retryAfterSeconds : undefined;
}
