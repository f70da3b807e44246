import { type Direction, directionOf, distanceBetween } from '../platform/cosine.ts';

/**
 * Novelty against the cohort: an image may be no near copy of an earlier image of its shard. "Earlier" means the order of
 * samples, not the time at which images are made: an image waits until all samples before it are decided, so that what is
 * refused depends on no batch, no restart and no other worker.
 */

/** The nearest image before a sample. */
export interface Nearest {
  /** Index of the sample. */
  readonly sample: number;
  readonly distance: number;
}

export interface ShardOrder<T> {
  /** Takes an image that all other gates let pass. @param features its vector in float16 */
  offer(index: number, features: Uint16Array, image: T): void;
  /** Says that a sample has no attempt left. */
  exhaust(index: number): void;
  /**
   * Decides on the images whose turn has come, in order. `accepts` gets each with what it is nearest to (null for the first)
   * and says whether it is accepted.
   */
  decide(accepts: (image: T, nearest: Nearest | null) => boolean): void;
}

/** An image of a stored part. */
export interface StoredImage {
  readonly index: number;
  readonly features: Uint16Array;
}

/** @param missing the samples to decide, in ascending ranges; @param stored images of the others */
export function createShardOrder<T>(
  missing: readonly { start: number; end: number }[],
  stored: readonly StoredImage[],
): ShardOrder<T> {
  const accepted: { index: number; direction: Direction }[] = [];
  const before = stored
    .map(({ index, features }) => ({ index, direction: directionOf(features) }))
    .sort((a, b) => a.index - b.index);
  const undecided = missing.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
  let next = 0;
  const exhausted = new Set<number>();
  const offered = new Map<number, { direction: Direction; image: T }>();

  function nearestTo(direction: Direction): Nearest | null {
    let nearest: Nearest | null = null;
    for (const one of accepted) {
      const distance = distanceBetween(direction, one.direction);
      if (!nearest || distance < nearest.distance) nearest = { sample: one.index, distance };
    }
    return nearest;
  }

  /** Stored images before a sample count as accepted, in the order of samples. */
  function takeStored(index: number): void {
    while (before.length > 0 && before[0]!.index < index) accepted.push(before.shift()!);
  }

  return {
    offer(index, features, image) {
      offered.set(index, { direction: directionOf(features), image });
    },
    exhaust(index) {
      exhausted.add(index);
    },
    decide(accepts) {
      for (;;) {
        while (next < undecided.length && exhausted.has(undecided[next]!)) next++;
        const index = undecided[next];
        const one = index === undefined ? undefined : offered.get(index);
        if (index === undefined || !one) return;
        takeStored(index);
        offered.delete(index);
        if (!accepts(one.image, nearestTo(one.direction))) continue;
        accepted.push({ index, direction: one.direction });
        next++;
      }
    },
  };
}
