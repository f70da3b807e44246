import type { Privacy } from '../../contract/schema/evidence.ts';
import { type Features, takeRows, unitRows } from './features.ts';
import { meanOf, quantile } from './interval.ts';
import { distancesOf, type Nearest, nearest } from './nearest.ts';
import { type Random, sampleOf } from './random.ts';

/** Whether images are copies of those that the generator was trained on. */

/** Share of the held-out images that lie nearer to a training image than the distance that counts as near. */
export const NEAR = 0.01;

/** Products of rows by rows by dimensions that the search may take; fewer synthetic images are looked at beyond. */
const MAX_WORK = 2e10;

export interface RealFeatures {
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

/** Compares synthetic images with real ones. @param others distance of each synthetic image to its nearest other */
export type CopySearch = (synthetic: Features, others: Float64Array, random: Random) => PrivacyFindings;

/** Prepares what every group is compared with. */
export function createCopySearch(real: RealFeatures, random: Random): CopySearch {
  const training = unitRows(real.training);
  const limit = Math.max(100, Math.floor(MAX_WORK / (training.rows * training.dimensions) / 3));
  const heldOut = unitRows(takeRows(real.heldOut, sampleOf(real.heldOut.rows, limit, random)));
  const fromHeldOut = nearest(heldOut, training);
  const near = quantile(fromHeldOut.distances.slice().sort(), NEAR);
  const size = Math.min(training.rows, heldOut.rows);
  const [knownSide, unknownSide] = [training, heldOut].map((side) =>
    takeRows(side, sampleOf(side.rows, size, random)),
  ) as [Features, Features];
  const heldOutAuthenticity = meanOf(authentic(fromHeldOut, training), random);
  return (all, others, random) => {
    const places = sampleOf(all.rows, limit, random);
    const synthetic = unitRows(takeRows(all, places));
    const found = nearest(synthetic, training);
    const share = (flags: Float64Array) => meanOf(flags, random);
    const privacy: Privacy = {
      training: real.training.rows,
      heldOut: real.heldOut.rows,
      toTraining: distancesOf(found.distances),
      heldOutToTraining: distancesOf(fromHeldOut.distances),
      nearTraining: share(found.distances.map((distance) => Number(distance < near))),
      nearerToTraining: share(
        nearer(nearest(synthetic, knownSide).distances, nearest(synthetic, unknownSide).distances),
      ),
      authenticity: share(authentic(found, training)),
      heldOutAuthenticity,
      duplicates: share(others.map((distance) => Number(distance < near))),
    };
    return { privacy, nearest: found, places };
  };
}

/** 1 where the first distance is the smaller, 0.5 where both are the same. */
const nearer = (a: Float64Array, b: Float64Array): Float64Array =>
  a.map((value, i) => (1 + Math.sign(b[i]! - value)) / 2);

/** 1 for a row that is farther from its nearest training image than that one is from the others (Alaa et al. 2022). */
function authentic({ distances, places }: Nearest, training: Features): Float64Array {
  const distinct = [...new Set(places)];
  const among = nearest(takeRows(training, distinct), training, distinct).distances;
  const reach = new Map(distinct.map((place, i) => [place, among[i]!]));
  return distances.map((distance, i) => Number(distance > reach.get(places[i]!)!));
}
