import type { Distances } from '../../contract/schema/evidence.ts';
import { type Features, productsOfTwo, type Table } from './features.ts';
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
  const distances = new Float64Array(queries.rows);
  const toMarked = new Float64Array(queries.rows);
  const places = new Uint32Array(queries.rows);
  const cosines = new Float64Array(2 * base.rows);
  for (let i = 0; i < queries.rows; i++) {
    if (i % 2 === 0) productsOfTwo(queries, i, base, 0, cosines);
    const at = (i % 2) * base.rows;
    let [best, bestMarked] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const self = own ? own[i]! : -1;
    for (let j = 0; j < base.rows; j++) {
      const cosine = cosines[at + j]!;
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

/** The cosine distance of each row to the nearest other, from the cosines of all pairs of one set. */
export function nearestOther({ down, values }: Table): Float64Array {
  return Float64Array.from({ length: down }, (_, i) => {
    let best = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < down; j++) if (j !== i && values[i * down + j]! > best) best = values[i * down + j]!;
    return Math.max(0, 1 - best);
  });
}

export function distancesOf(values: Float64Array): Distances {
  const sorted = values.slice().sort();
  return { smallest: sorted[0]!, low: quantile(sorted, 0.01), median: quantile(sorted, 0.5) };
}
