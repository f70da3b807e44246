import { FARTHEST_DISTANCE } from '../../contract/gates/novelty.ts';
import { objects } from '../../contract/names.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import type { Gate } from '../../contract/schema/spec.ts';
import { type Direction, directionOf, distanceBetween } from '../../platform/cosine.ts';
import { type HalfMatrix, rowOf } from '../../platform/npy.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readFeatures } from '../shard/features.ts';
import type { ShardSample } from '../shard/read.ts';
import { trainingFaults } from './novelty.ts';
import type { Published } from './shard.ts';
import type { Fault } from './verify.ts';

/** Requirements on the feature vectors of a shard, and on what Novelty gates said of them. */

export interface FeatureFindings {
  readonly faults: readonly Fault[];
  /** One row for each image; null where there are none, or they are damaged. */
  readonly features: HalfMatrix | null;
}

export async function featureFaults(
  store: ObjectStore,
  record: ShardRecord,
  samples: readonly ShardSample[],
  { manifest, rebuilt, training }: Published,
): Promise<FeatureFindings> {
  const key = objects.features(manifest.name, record.shard);
  const fault = (message: string): FeatureFindings => ({ faults: [{ object: key, message }], features: null });
  if (!manifest.dataset.spec.quality.encoder)
    return record.features
      ? fault('is named by the record, but the resource names no encoder')
      : { faults: [], features: null };
  if (record.features && record.features.key !== key) return fault(`is called ${record.features.key} by the record`);
  const features = await readFeatures(store, record);
  if (typeof features === 'string') return fault(features);
  const { gates } = rebuilt.plan;
  if (samples.length !== features.rows) return { faults: [], features };
  const found = [
    ...cohortFaults(gates, samples, (row) => directionOf(rowOf(features, row))),
    ...(training ? trainingFaults(gates, samples, features, training) : []),
  ];
  return { faults: found.map((message) => ({ object: key, message })), features };
}

/**
 * Two workers at one shard may have computed on different hardware: the distance from an image that the other one made
 * differs a little.
 */
const TOLERANCE = 1e-3;

/** Recorded distances within the shard against those of its features. */
function cohortFaults(
  all: readonly Gate[],
  samples: readonly ShardSample[],
  directionAt: (row: number) => Direction,
): string[] {
  const gates = all.filter(({ against }) => against === 'Cohort');
  if (gates.length === 0) return [];
  const directions = samples.map((_, row) => directionAt(row));
  const rows = new Map(samples.map(({ key }, row) => [key, row]));
  return samples.flatMap(({ key, record }, row) => {
    const distances = directions.slice(0, row).map((before) => distanceBetween(before, directions[row]!));
    const expected = distances.reduce((a, b) => Math.min(a, b), FARTHEST_DISTANCE);
    return gates.flatMap(({ name }) => {
      const { scores, nearest, rejected } = record;
      const faults: string[] = [];
      if (!isNear(scores[name], expected))
        faults.push(`gate ${name} says a distance of ${scores[name]} from earlier images, the features ${expected}`);
      const named = nearest?.[name];
      if (named === undefined ? row > 0 : !isNear(distances[rows.get(named) ?? row], expected))
        faults.push(`gate ${name} names ${named} as the nearest image, the features another one`);
      for (const { attempt, nearest } of rejected) {
        const other = nearest?.[name];
        if (other !== undefined && !((rows.get(other) ?? row) < row))
          faults.push(`gate ${name} compared attempt ${attempt} with ${other}, which is no earlier image of the shard`);
      }
      return faults.map((fault) => `sample ${key}: ${fault}`);
    });
  });
}

const isNear = (stated: number | undefined, expected: number): boolean =>
  stated !== undefined && Math.abs(stated - expected) <= TOLERANCE;
