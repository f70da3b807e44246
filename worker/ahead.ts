import { type Plan, seedOf } from '../contract/plan/plan.ts';
import type { Attempt, Refill } from './attempt-queue.ts';
import type { SampledImage } from './engine/messages.ts';

/**
 * Attempts that are sampled before it is known whether they are needed. An engine that computes a fixed number of rows has
 * some to spare when a shard comes to its end; they get the next attempts of the samples that are left. Their images wait
 * here until the refill asks for that attempt. So what is accepted, counted and recorded follows from the attempts of a sample
 * in their order, as if each had been sampled only then, and what nothing asks for is thrown away.
 */

/** The parts of an attempt that sampling needs. */
export type Trial = Pick<Attempt, 'sample' | 'attempt' | 'seed'>;

export interface SampledBatch {
  readonly batch: readonly Attempt[];
  readonly images: readonly SampledImage[];
}

export interface Ahead {
  /**
   * Attempts for the rows that a batch has to spare: the next one of each of its samples, then the one after of each, until
   * the rows are full or no sample has another attempt.
   */
  choose(batch: readonly Attempt[]): Trial[];
  /** Takes the images of attempts that `choose` gave. */
  keep(trials: readonly Trial[], images: readonly SampledImage[]): void;
  /** Takes those retries from the refill whose images are here; empty when there are none. */
  due(): SampledBatch;
}

/** @param options `rows` as in `Engine` */
export function createAhead(
  { plan, rows, batchSize }: { plan: Plan; rows: number; batchSize: number },
  refill: Refill,
): Ahead {
  /** By sample: its next attempt comes first. */
  const held = new Map<number, { attempt: number; image: SampledImage }[]>();
  const { maxAttempts } = plan.spec.quality;
  const isHeld = ({ sample, attempt }: Trial): boolean => held.get(sample.index)?.[0]?.attempt === attempt;

  return {
    choose(batch) {
      const computed = Math.min(batchSize, Math.ceil(batch.length / rows) * rows);
      const trials: Trial[] = [];
      for (let later = 1; later < maxAttempts; later++) {
        for (const { sample, attempt: last } of batch) {
          if (batch.length + trials.length >= computed) return trials;
          const attempt = last + later;
          if (attempt < maxAttempts) trials.push({ sample, attempt, seed: seedOf(plan, sample.index, attempt) });
        }
      }
      return trials;
    },
    keep(trials, images) {
      for (const [i, { sample, attempt }] of trials.entries()) {
        const others = held.get(sample.index) ?? [];
        held.set(sample.index, [...others, { attempt, image: images[i]! }]);
      }
    },
    due() {
      for (const index of held.keys()) if (refill.isDecided(index)) held.delete(index);
      const batch = refill.takeRetries(isHeld);
      return { batch, images: batch.map(({ sample }) => held.get(sample.index)!.shift()!.image) };
    },
  };
}
