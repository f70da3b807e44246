import { Progress } from '../../contract/account/progress.ts';
import type { QueueEvent } from '../../platform/queue/types.ts';

/**
 * The progress of all datasets, as the queue reports it. Progress only wakes a reconcile now and then: status is not a log.
 * What the queue has stored is read before the datasets are listed; once they are, only events of known datasets count.
 */

export interface ProgressStore {
  /** Nothing, of a dataset that nothing was reported of. */
  of(uid: string): Progress;
  /** Whether anything was reported of it since it was last forgotten. */
  has(uid: string): boolean;
  /** Keeps reports of its steps from now on, also where nothing else was reported of it. */
  expectSteps(uid: string): void;
  /** @param isNews false while events of the past are read again */
  take(event: QueueEvent, isNews: boolean): void;
  forget(uid: string): void;
  /** Datasets of which something is known. */
  readonly size: number;
}

/** Seconds between two wake-ups of one dataset: longer when many datasets run. */
const wakeInterval = (datasets: number): number => Math.max(3, datasets / 40);

export interface ProgressStoreOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Something has changed that the status should say. */
  readonly wake: (uid: string, afterSeconds: number) => void;
  /** Whether there is a dataset with this UID; null while they are not listed yet. */
  readonly isKnown: (uid: string) => boolean | null;
  /** An event changed nothing. */
  readonly onIgnored: (why: IgnoredEvent, event: QueueEvent) => void;
}

/** Why an event is ignored. */
export type IgnoredEvent = 'unknownDataset' | 'contradictingPlan';

export function createProgressStore({ now, wake, isKnown, onIgnored }: ProgressStoreOptions): ProgressStore {
  const byUid = new Map<string, { progress: Progress; wokenAt: number }>();
  const entryOf = (uid: string) => {
    const entry = byUid.get(uid) ?? { progress: new Progress(), wokenAt: 0 };
    byUid.set(uid, entry);
    return entry;
  };
  /** UIDs of events that came before the datasets were listed. */
  const unsettled = new Set<string>();
  const settle = (): void => {
    for (const uid of unsettled) {
      const known = isKnown(uid);
      if (known === false) byUid.delete(uid);
      if (known !== null) unsettled.delete(uid);
    }
  };
  return {
    of(uid) {
      settle();
      return byUid.get(uid)?.progress ?? new Progress();
    },
    has: (uid) => byUid.has(uid),
    expectSteps: (uid) => {
      entryOf(uid);
    },
    take(told, isNews) {
      const { uid, kind, event } = told;
      const known = isKnown(uid);
      if (known === false) {
        onIgnored('unknownDataset', told);
        return;
      }
      if (known === null) unsettled.add(uid);
      // The last report of a finished dataset comes when nothing is kept of it any more.
      if (kind === 'step' && !byUid.has(uid)) return;
      const entry = entryOf(uid);
      if (kind === 'plan') {
        if (!entry.progress.addPlan(event)) onIgnored('contradictingPlan', told);
      } else if (kind === 'shard') entry.progress.addShard(event, isNews ? now() : null);
      else if (kind === 'step') entry.progress.addStep(event, now());
      else entry.progress.addLive(event, now());
      // A plan is waited for by workers; all else can wait, and the look that is due takes it in, too.
      if (kind !== 'plan' && entry.wokenAt > now()) return;
      const due = kind === 'plan' ? now() : Math.max(now(), entry.wokenAt + wakeInterval(byUid.size) * 1000);
      entry.wokenAt = due;
      wake(uid, (due - now()) / 1000);
    },
    forget: (uid) => {
      byUid.delete(uid);
    },
    get size() {
      return byUid.size;
    },
  };
}
