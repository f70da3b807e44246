import type { Estimate } from '../../contract/schema/evidence.ts';
import type { Table } from './features.ts';
import { meanOf } from './interval.ts';
import type { Random } from './random.ts';

/**
 * Whether images lie where the other set's do (Kynkaanniemi et al. 2019; Naeem et al. 2020): around each image is a ball that
 * reaches to its k-th nearest neighbour of its own set.
 */
export interface Manifold {
  /** Share of synthetic images inside a ball of a real one. */
  readonly precision: Estimate;
  /** Share of real images inside a ball of a synthetic one. */
  readonly recall: Estimate;
  /** Balls of real images around a synthetic one, over k: robust against single real outliers, and may exceed 1. */
  readonly density: Estimate;
  /** Share of real images whose ball holds a synthetic one. */
  readonly coverage: Estimate;
}

export const NEIGHBOURS = 5;

/** Distances, or their squares: only their order counts. The balls stay as they are while images are resampled. */
export interface DistanceTables {
  readonly realToReal: Table;
  readonly syntheticToSynthetic: Table;
  readonly realToSynthetic: Table;
}

export function manifold(distances: DistanceTables, random: Random, k = NEIGHBOURS): Manifold {
  const { realToReal, syntheticToSynthetic, realToSynthetic } = distances;
  const { down: real, across: synthetic, values } = realToSynthetic;
  const reachOfReal = reaches(realToReal, k);
  const reachOfSynthetic = reaches(syntheticToSynthetic, k);
  const balls = new Float64Array(synthetic);
  const [recalled, covered] = [new Float64Array(real), new Float64Array(real)];
  for (let i = 0, at = 0; i < real; i++) {
    for (let j = 0; j < synthetic; j++, at++) {
      if (values[at]! < reachOfSynthetic[j]!) recalled[i] = 1;
      if (values[at]! >= reachOfReal[i]!) continue;
      balls[j]!++;
      covered[i] = 1;
    }
  }
  return {
    precision: meanOf(
      balls.map((count) => Number(count > 0)),
      random,
    ),
    recall: meanOf(recalled, random),
    density: meanOf(
      balls.map((count) => count / k),
      random,
    ),
    coverage: meanOf(covered, random),
  };
}

/** The distance of each row to its k-th nearest other row of the same set. */
function reaches({ down, values }: Table, k: number): Float64Array {
  return Float64Array.from({ length: down }, (_, i) => {
    const row = values.slice(i * down, (i + 1) * down);
    row[i] = Number.NEGATIVE_INFINITY; // itself is the nearest of all
    return row.sort()[Math.min(k, down - 1)]!;
  });
}
