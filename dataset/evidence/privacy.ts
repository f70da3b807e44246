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

/** A synthetic image and the training image nearest to it. */
export interface Neighbour {
  /** Row of the synthetic image. */
  readonly row: number;
  /** Row of the training image. */
  readonly place: number;
  readonly distance: number;
}

export interface PrivacyFindings {
  readonly privacy: Privacy;
  readonly neighbours: readonly Neighbour[];
}

/** Compares a group of synthetic images, given by rows, with real ones. @param others distance of each to its nearest other */
export type CopySearch = (rows: readonly number[], others: Float64Array, random: Random) => PrivacyFindings;

interface Found extends Neighbour {
  /** 1 where it is nearer to the training than to the held-out images, 0.5 where it is as near. */
  readonly nearer: number;
  readonly authentic: number;
}

/** Prepares what every group is compared with. An image is searched once, however many groups it is of. */
export function createCopySearch(real: RealFeatures, synthetic: Features, random: Random): CopySearch {
  const training = unitRows(real.training);
  const limit = Math.max(100, Math.floor(MAX_WORK / (training.rows * training.dimensions) / 3));
  const heldOut = unitRows(takeRows(real.heldOut, sampleOf(real.heldOut.rows, limit, random)));
  const size = Math.min(training.rows, heldOut.rows);
  const marked = new Uint8Array(training.rows);
  for (const row of sampleOf(training.rows, size, random)) marked[row] = 1;
  const unknown = takeRows(heldOut, sampleOf(heldOut.rows, size, random));
  const isAuthentic = authenticity(training);
  const fromHeldOut = nearest(heldOut, training);
  const near = quantile(fromHeldOut.distances.slice().sort(), NEAR);
  const heldOutAuthenticity = meanOf(isAuthentic(fromHeldOut), random);
  const known = new Map<number, Found>();
  const search = (rows: readonly number[]): readonly Found[] => {
    const missing = rows.filter((row) => !known.has(row));
    const queries = unitRows(takeRows(synthetic, missing));
    const found = nearest(queries, training, { marked });
    const toUnknown = nearest(queries, unknown).distances;
    const authentic = isAuthentic(found);
    for (const [i, row] of missing.entries())
      known.set(row, {
        row,
        place: found.places[i]!,
        distance: found.distances[i]!,
        nearer: (1 + Math.sign(toUnknown[i]! - found.toMarked[i]!)) / 2,
        authentic: authentic[i]!,
      });
    return rows.map((row) => known.get(row)!);
  };
  return (rows, others, random) => {
    const neighbours = search(rows.slice(0, limit));
    const share = (of: (found: Found) => number) => meanOf(neighbours.map(of), random);
    const privacy: Privacy = {
      training: real.training.rows,
      heldOut: real.heldOut.rows,
      toTraining: distancesOf(Float64Array.from(neighbours, ({ distance }) => distance)),
      heldOutToTraining: distancesOf(fromHeldOut.distances),
      nearTraining: share(({ distance }) => Number(distance < near)),
      nearerToTraining: share(({ nearer }) => nearer),
      authenticity: share(({ authentic }) => authentic),
      heldOutAuthenticity,
      duplicates: meanOf(
        others.map((distance) => Number(distance < near)),
        random,
      ),
    };
    return { privacy, neighbours };
  };
}

/** 1 for an image that is farther from its nearest training image than that one is from the others (Alaa et al. 2022). */
function authenticity(training: Features): (found: Nearest) => Float64Array {
  const reach = new Map<number, number>();
  return ({ distances, places }) => {
    const missing = [...new Set(places)].filter((place) => !reach.has(place));
    const among = nearest(takeRows(training, missing), training, { own: missing }).distances;
    for (const [i, place] of missing.entries()) reach.set(place, among[i]!);
    return distances.map((distance, i) => Number(distance > reach.get(places[i]!)!));
  };
}
