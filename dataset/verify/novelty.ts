import type { Gate } from '../../contract/schema/spec.ts';
import { type HalfMatrix, rowOf } from '../../platform/npy.ts';
import { type Features, featuresOfHalves, product, unitRows } from '../evidence/features.ts';
import { trainingOf } from '../evidence/gather.ts';
import { nearest } from '../evidence/nearest.ts';
import { heldOutQuantile, type Reference } from '../reference.ts';
import type { ShardSample } from '../shard/read.ts';

/** Requirements on what Novelty gates said of the distance to training images, where the reference is given. */

/** A reference that is given to compute again what depends on real images. */
export interface GivenReference {
  /** SHA-256 of its folder. */
  readonly sha256: string;
  readonly reference: Reference;
}

/** The images that gates of type Novelty compared with. */
export interface TrainingImages {
  /** SHA-256 of each. */
  readonly images: readonly string[];
  /** The row of each. */
  readonly rows: ReadonlyMap<string, number>;
  /** Features of length 1, a row for each. */
  readonly unit: Features;
}

export function trainingImagesOf({ reference }: GivenReference): TrainingImages {
  const { keys, unit } = trainingOf(reference);
  return { images: keys, rows: new Map(keys.map((key, row) => [key, row])), unit };
}

/** Distances that were computed on another machine differ a little. */
const TOLERANCE = 1e-3;

const againstTraining = (gates: readonly Gate[]): Gate[] => gates.filter(({ against }) => against === 'Training');

/** Thresholds of a plan that are not the quantiles that its resource asks for. */
export function thresholdFaults(gates: readonly Gate[], { reference }: GivenReference): string[] {
  return againstTraining(gates).flatMap(({ name, quantile, threshold }) => {
    if (quantile === undefined) return [];
    const expected = heldOutQuantile(reference, quantile);
    return threshold === expected
      ? []
      : [`plan says a threshold of ${threshold} for gate ${name}, the reference a ${quantile} quantile of ${expected}`];
  });
}

/** Recorded distances to training images against those of the features. @param features a row for each sample */
export function trainingFaults(
  all: readonly Gate[],
  samples: readonly ShardSample[],
  features: HalfMatrix,
  { images, rows, unit }: TrainingImages,
): string[] {
  const gates = againstTraining(all);
  if (gates.length === 0 || samples.length === 0) return [];
  if (features.columns !== unit.dimensions)
    return [`has ${features.columns} numbers for an image, the reference ${unit.dimensions}`];
  const vectors = samples.map((_, row) => rowOf(features, row));
  const own = unitRows(featuresOfHalves(vectors));
  const found = nearest(own, unit);
  const { dimensions } = unit;
  /** Distance of a sample to a training image; no number for what is none. */
  const distanceTo = (row: number, image: string): number =>
    1 - product(own.values, row * dimensions, unit.values, (rows.get(image) ?? Number.NaN) * dimensions, dimensions);
  return samples.flatMap(({ key, record: { scores, nearest: named, rejected } }, row) =>
    gates
      .flatMap(({ name }) => {
        const faults: string[] = [];
        const [distance, image] = [found.distances[row]!, images[found.places[row]!]];
        if (!(Math.abs(scores[name]! - distance) <= TOLERANCE))
          faults.push(
            `gate ${name} says a distance of ${scores[name]} from the nearest training image, the features ${distance}`,
          );
        else if (!(distanceTo(row, named?.[name] ?? '') - distance <= TOLERANCE))
          faults.push(`gate ${name} names ${named?.[name]} as the nearest training image, the reference ${image}`);
        for (const { attempt, nearest: compared } of rejected)
          if (compared?.[name] !== undefined && !rows.has(compared[name]))
            faults.push(
              `gate ${name} compared attempt ${attempt} with ${compared[name]}, which is no training image of the reference`,
            );
        return faults;
      })
      .map((fault) => `sample ${key}: ${fault}`),
  );
}
