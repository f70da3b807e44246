import { toEightBits } from '../../platform/image/image.ts';
import type { Golden } from './golden.ts';
import type { Trial } from './trial.ts';

/** The largest differences from diffusers that rounding explains: in latents, and in 255 grey levels. */
const TOLERANCES = {
  single: { latents: 2e-3, levels: 2 },
  half: { latents: 2.5e-2, levels: 4 },
} as const;

export interface Difference {
  readonly latents: number;
  readonly levels: number;
  readonly tolerance: (typeof TOLERANCES)[keyof typeof TOLERANCES];
  readonly isEqual: boolean;
}

export function compareWith(
  { latents, images }: Golden,
  trial: Pick<Trial, 'latents' | 'images' | 'isHalf'>,
): Difference {
  const tolerance = TOLERANCES[trial.isHalf ? 'half' : 'single'];
  const ours = Buffer.concat(trial.images.map((image) => toEightBits(image).data));
  const difference = { latents: largestDifference(trial.latents, latents), levels: largestDifference(ours, images) };
  const isEqual = difference.latents <= tolerance.latents && difference.levels <= tolerance.levels;
  return { ...difference, tolerance, isEqual };
}

/** Infinity when the lengths differ or something is not a number. */
function largestDifference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    const difference = Math.abs(ours[i]! - theirs[i]!);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > largest) largest = difference;
  }
  return largest;
}
