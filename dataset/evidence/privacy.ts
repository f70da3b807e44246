import type { Privacy } from '../../contract/schema/evidence.ts';
import { type Features, takeRows, unitRows } from './features.ts';
import { meanOf, quantile } from './interval.ts';
import { distancesOf, type Nearest, nearest, nearestOther } from './nearest.ts';
import { type Random, sampleOf } from './random.ts';

/** Whether images are copies of those that the generator was trained on. */

/** Share of the held-out images that lie nearer to a training image than the distance that counts as near. */
export const NEAR = 0.01;

/** Products of rows by rows by dimensions that the search may take; fewer synthetic images are looked at beyond. */
const MAX_WORK = 2e10;

export interface PrivacyInput {
  readonly synthetic: Features;
  readonly training: Features;
  readonly heldOut: Features;
}

export interface PrivacyFindings {
  readonly privacy: Privacy;
  /** The nearest training image of each synthetic one that was looked at. */
  readonly nearest: Nearest;
  /** Places of those in the synthetic features. */
  readonly places: Uint32Array;
}

export function privacy(input: PrivacyInput, random: Random): PrivacyFindings {
  const training = unitRows(input.training);
  const limit = Math.max(100, Math.floor(MAX_WORK / (training.rows * training.dimensions) / 3));
  const places = sampleOf(input.synthetic.rows, limit, random);
  const synthetic = unitRows(takeRows(input.synthetic, places));
  const heldOut = unitRows(takeRows(input.heldOut, sampleOf(input.heldOut.rows, limit, random)));
  const found = nearest(synthetic, training);
  const real = nearest(heldOut, training);
  const near = quantile(real.distances.slice().sort(), NEAR);
  const others = nearestOther(synthetic).distances;
  const share = (flags: Float64Array) => meanOf(flags, random);
  const findings: Privacy = {
    training: input.training.rows,
    heldOut: input.heldOut.rows,
    toTraining: distancesOf(found.distances),
    heldOutToTraining: distancesOf(real.distances),
    nearTraining: share(found.distances.map((distance) => Number(distance < near))),
    nearerToTraining: share(nearerToTraining(synthetic, training, heldOut, random)),
    authenticity: share(authentic(found, training)),
    heldOutAuthenticity: share(authentic(real, training)),
    duplicates: share(others.map((distance) => Number(distance < near))),
  };
  return { privacy: findings, nearest: found, places };
}

/** 1 for a row nearer to the training set than to the held-out one, 0.5 for one as near, both cut to the same size. */
function nearerToTraining(synthetic: Features, training: Features, heldOut: Features, random: Random): Float64Array {
  const size = Math.min(training.rows, heldOut.rows);
  const sides = [training, heldOut].map((side) => {
    return nearest(synthetic, takeRows(side, sampleOf(side.rows, size, random))).distances;
  });
  return sides[0]!.map((distance, i) => (1 + Math.sign(sides[1]![i]! - distance)) / 2);
}

/** 1 for a row that is farther from its nearest training image than that one is from the others (Alaa et al. 2022). */
function authentic({ distances, places }: Nearest, training: Features): Float64Array {
  const distinct = [...new Set(places)];
  const among = nearest(takeRows(training, distinct), training, distinct).distances;
  const reach = new Map(distinct.map((place, i) => [place, among[i]!]));
  return distances.map((distance, i) => Number(distance > reach.get(places[i]!)!));
}
