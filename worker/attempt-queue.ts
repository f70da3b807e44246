import { addRejected, countsOf, Tallies } from '../contract/account/tally.ts';
import { type Plan, type Sample, samplesBetween, seedOf } from '../contract/plan/plan.ts';
import type { PartRecord, SampleRecord } from '../contract/schema/record.ts';

/**
 * Refill: which images to try next so that every sample ends accepted or exhausted. Attempts of several parts mix, so
 * that batches are full until the shard's very end; retries go first, so that parts finish in order.
 *
 *   waiting --next--> in flight --accept--> accepted
 *      ^                  |
 *      '---- reject ------'--(last attempt)--> exhausted
 */

export type Rejection = SampleRecord['rejected'][number];
/** Why an image is refused. */
export type Refusal = Pick<Rejection, 'gate' | 'scores' | 'nearest'>;

/** One image to generate. */
export interface Attempt {
  readonly sample: Sample;
  readonly attempt: number;
  readonly seed: number;
  readonly rejected: readonly Rejection[];
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly accepted: Map<number, Accepted>;
  readonly exhausted: Map<number, Attempt>;
}

export interface Accepted {
  readonly attempt: Attempt;
  /** The tar members of the sample; a promise so that encoding overlaps the next batch. */
  readonly members: Promise<readonly Uint8Array[]>;
  /** The feature vector, where there is an encoder. */
  readonly features?: Uint16Array | undefined;
}

export interface FinishedPart {
  readonly start: number;
  readonly end: number;
  /** In order of index. */
  readonly accepted: readonly Accepted[];
  readonly exhausted: readonly Attempt[];
}

export interface Refill {
  /** Up to `limit` attempts, retries first; with `full` a whole batch or none. */
  next(limit: number, options?: { full: boolean }): Attempt[];
  /** The waiting retries that meet a condition, instead of by `next`. */
  takeRetries(meets: (retry: Attempt) => boolean): Attempt[];
  accept(accepted: Accepted): FinishedPart | null;
  /** Sends the sample back for its next attempt; without one left it is exhausted. */
  reject(attempt: Attempt, refusal: Refusal): { finished: FinishedPart | null; exhausted: Attempt | null };
  /** Whether a sample is accepted or exhausted. */
  isDecided(index: number): boolean;
  /** The decided samples at the start of each part that is not finished, as a part of their own. */
  decided(): FinishedPart[];
}

/** Starts the work on some ranges of samples, each to become one part. */
export function createRefill(plan: Plan, ranges: readonly { start: number; end: number }[]): Refill {
  const parts: Part[] = ranges.map((range) => ({ ...range, accepted: new Map(), exhausted: new Map() }));
  const waiting = ranges.flatMap(({ start, end }) => samplesBetween(plan, start, end));
  let retries: Attempt[] = [];
  let nextFresh = 0;
  const partOf = (index: number): Part => parts.find((part) => part.start <= index && index < part.end)!;

  const isIn = ({ accepted, exhausted }: Part, index: number): boolean => accepted.has(index) || exhausted.has(index);

  /** The record of a part's samples before `end`. */
  function upTo(part: Part, end: number): FinishedPart {
    const inOrder = <T>(map: Map<number, T>): T[] =>
      [...map]
        .filter(([index]) => index < end)
        .sort(([a], [b]) => a - b)
        .map(([, value]) => value);
    return { start: part.start, end, accepted: inOrder(part.accepted), exhausted: inOrder(part.exhausted) };
  }

  const isFinished = ({ start, end, accepted, exhausted }: Part): boolean =>
    accepted.size + exhausted.size === end - start;

  const finished = (part: Part): FinishedPart | null => (isFinished(part) ? upTo(part, part.end) : null);

  return {
    next(limit, { full } = { full: false }) {
      const starting = waiting.slice(nextFresh, nextFresh + Math.max(0, limit - retries.length));
      if (full && retries.length + starting.length < limit) return [];
      nextFresh += starting.length;
      const begin = (sample: Sample): Attempt => {
        return { sample, attempt: 0, seed: seedOf(plan, sample.index, 0), rejected: [] };
      };
      return [...retries.splice(0, limit), ...starting.map(begin)];
    },
    takeRetries(meets) {
      const { taken = [], left = [] } = Object.groupBy(retries, (retry) => (meets(retry) ? 'taken' : 'left'));
      retries = left;
      return taken;
    },
    accept(accepted) {
      const { index } = accepted.attempt.sample;
      const part = partOf(index);
      part.accepted.set(index, accepted);
      return finished(part);
    },
    reject({ sample, attempt, seed, rejected }, refusal) {
      const next = attempt + 1;
      const history = [...rejected, { attempt, seed, ...refusal }];
      const retry = { sample, attempt: next, seed: 0, rejected: history };
      if (next < plan.spec.quality.maxAttempts) {
        retries.push({ ...retry, seed: seedOf(plan, sample.index, next) });
        return { finished: null, exhausted: null };
      }
      const part = partOf(sample.index);
      part.exhausted.set(sample.index, retry);
      return { finished: finished(part), exhausted: retry };
    },
    isDecided: (index) => isIn(partOf(index), index),
    decided() {
      return parts.flatMap((part) => {
        let end = part.start;
        while (isIn(part, end)) end++;
        return end === part.start || isFinished(part) ? [] : [upTo(part, end)];
      });
    },
  };
}

/** The record of a finished part. */
export function partRecord(plan: Plan, part: FinishedPart, provider: string): PartRecord {
  const tallies = new Tallies<number>();
  const count = (attempt: Attempt, outcome: 'accepted' | 'exhausted'): void => {
    const tally = tallies.at(attempt.sample.cell);
    tally.wanted++;
    tally[outcome]++;
    tally.attempts += attempt.rejected.length + (outcome === 'accepted' ? 1 : 0);
    for (const { gate } of attempt.rejected) addRejected(tally, gate);
  };
  for (const { attempt } of part.accepted) count(attempt, 'accepted');
  for (const attempt of part.exhausted) count(attempt, 'exhausted');
  const cells = [...tallies]
    .sort(([a], [b]) => a - b)
    .map(([cell, tally]) => ({ cell: plan.allocation.grid.cells[cell]!.id, ...countsOf(tally) }));
  const exhausted = part.exhausted.map(({ sample }) => sample.index);
  return { planDigest: plan.digest, start: part.start, end: part.end, provider, cells, exhausted };
}
