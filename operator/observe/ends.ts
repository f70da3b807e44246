import type { JobView } from '../observed.ts';

/**
 * Ends of Jobs. They are by the cluster's clock, which may be ahead of this one; no Job ended later than it was first seen to
 * have ended.
 */
export interface Ends {
  /** The Jobs of a dataset, by its UID, with ends that are not in the future. */
  of(uid: string, jobs: readonly JobView[]): JobView[];
  /** The dataset is gone. */
  forget(uid: string): void;
}

/** @param now milliseconds since the epoch */
export function createEnds(now: () => number): Ends {
  /** By UID of the dataset and of the Job: when an end in the future was first seen. */
  const seen = new Map<string, ReadonlyMap<string, number>>();
  return {
    of(uid, jobs) {
      const before = seen.get(uid);
      const firsts = new Map<string, number>();
      const found = jobs.map((job) => {
        if (job.endedAt === null) return job;
        const first = before?.get(job.uid) ?? now();
        if (job.endedAt <= first) return job;
        firsts.set(job.uid, first);
        return { ...job, endedAt: first };
      });
      if (firsts.size > 0) seen.set(uid, firsts);
      else seen.delete(uid);
      return found;
    },
    forget: (uid) => {
      seen.delete(uid);
    },
  };
}
