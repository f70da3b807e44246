import type { Distances } from '../../contract/schema/evidence.ts';
import { type Features, product } from './features.ts';
import { quantile } from './interval.ts';

/** Exact search for the nearest neighbours of rows of length 1, by cosine distance (1 - cos). */
export interface Nearest {
  readonly distances: Float64Array;
  /** Rows of the base. */
  readonly places: Uint32Array;
}

/**
 * The nearest row of a base for each query.
 * @param own places of the queries themselves in the base, which do not count
 */
export function nearest(queries: Features, base: Features, own?: ArrayLike<number>): Nearest {
  const { dimensions } = queries;
  const distances = new Float64Array(queries.rows).fill(Number.POSITIVE_INFINITY);
  const places = new Uint32Array(queries.rows);
  for (let i = 0; i < queries.rows; i++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < base.rows; j++) {
      if (own?.[i] === j) continue;
      const cosine = product(queries.values, i * dimensions, base.values, j * dimensions, dimensions);
      if (cosine <= best) continue;
      best = cosine;
      places[i] = j;
    }
    distances[i] = Math.max(0, 1 - best);
  }
  return { distances, places };
}

/** The nearest other row of the same set. */
export const nearestOther = (features: Features): Nearest =>
  nearest(
    features,
    features,
    Uint32Array.from({ length: features.rows }, (_, i) => i),
  );

export function distancesOf(values: Float64Array): Distances {
  const sorted = values.slice().sort();
  return { smallest: sorted[0]!, low: quantile(sorted, 0.01), median: quantile(sorted, 0.5) };
}
