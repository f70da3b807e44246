import { PAIR } from '../contract/names.ts';
import { pairSize } from '../contract/plan/pairs.ts';
import type { Plan } from '../contract/plan/plan.ts';
import type { Attempt } from './attempt-queue.ts';

/**
 * Judges the members of a pair together. They are tried with the same seed, and accepted when all of them pass; if one does not,
 * all are tried again with the next seed. So what becomes of a pair follows from its seeds alone, in whatever batches its members
 * were sampled.
 */

/** An image that was judged by itself; `gate` is what rejected it. */
export interface Judged {
  readonly attempt: Attempt;
  readonly gate: string | undefined;
}

export interface PairJoiner<T extends Judged> {
  /** Adds an image. Returns those whose outcome is final by now, in order of index: of whole pairs. */
  add(judged: T): T[];
}

/** A number of samples rounded up to whole pairs. */
export function wholePairs({ spec }: Plan, samples: number): number {
  const size = pairSize(spec.quota);
  return Math.ceil(samples / size) * size;
}

/** Whether the name under which an image is rejected is that of its pair: it passed by itself. */
export const isByPair = (gate: string): boolean => gate === PAIR;

export function createPairJoiner<T extends Judged>({ spec }: Plan): PairJoiner<T> {
  const size = pairSize(spec.quota);
  const waiting = new Map<string, T[]>();
  return {
    add(judged) {
      const { pair } = judged.attempt.sample;
      if (pair === undefined) return [judged];
      const members = [...(waiting.get(pair) ?? []), judged];
      if (members.length < size) {
        waiting.set(pair, members);
        return [];
      }
      waiting.delete(pair);
      const isRejected = members.some(({ gate }) => gate !== undefined);
      return members
        .map((one) => (isRejected ? { ...one, gate: one.gate ?? PAIR } : one))
        .sort((a, b) => a.attempt.sample.index - b.attempt.sample.index);
    },
  };
}
