import type { Distances } from '../../contract/schema/evidence.ts';
import { type Features, product } from './features.ts';
import { quantile } from './interval.ts';

/** Exact search for the nearest neighbours of rows of length 1, by cosine distance (1 - cos). */
export interface Nearest {
  readonly distances: Float64Array;
  /** Rows of the base. */
  readonly places: Uint32Array;
  /** Distance to the nearest of the rows that are marked. */
  readonly toMarked: Float64Array;
}

interface Search {
  /** Places of the queries themselves in the base, which do not count. */
  readonly own?: ArrayLike<number>;
  /** 1 for rows of the base whose nearest is wanted by itself, too. */
  readonly marked?: Uint8Array;
}

/** The nearest row of a base for each query. */
export function nearest(queries: Features, base: Features, { own, marked }: Search = {}): Nearest {
  const { dimensions } = queries;
  const distances = new Float64Array(queries.rows);
  const toMarked = new Float64Array(queries.rows);
  const places = new Uint32Array(queries.rows);
  for (let i = 0; i < queries.rows; i++) {
    let [best, bestMarked] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const self = own ? own[i]! : -1;
    for (let j = 0; j < base.rows; j++) {
      const cosine = product(queries.values, i * dimensions, base.values, j * dimensions, dimensions);
      if (cosine <= bestMarked || j === self) continue;
      if (marked?.[j]) bestMarked = cosine;
      if (cosine <= best) continue;
      best = cosine;
      places[i] = j;
    }
    distances[i] = Math.max(0, 1 - best);
    toMarked[i] = Math.max(0, 1 - bestMarked);
  }
  return { distances, places, toMarked };
}

/** The nearest other row of the same set. */
export const nearestOther = (features: Features): Nearest =>
  nearest(features, features, { own: Uint32Array.from({ length: features.rows }, (_, i) => i) });

export function distancesOf(values: Float64Array): Distances {
  const sorted = values.slice().sort();
  return { smallest: sorted[0]!, low: quantile(sorted, 0.01), median: quantile(sorted, 0.5) };
}
