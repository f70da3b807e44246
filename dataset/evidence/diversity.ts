import type { Estimate } from '../../contract/schema/evidence.ts';
import { type Features, ownProducts, products, type Table, unitRows } from './features.ts';
import { bootstrap } from './interval.ts';
import type { Random } from './random.ts';
import { eigenvaluesOf, weightedSquares } from './symmetric.ts';

/** The variety of the images of one set. */
export interface Diversity {
  /** Cosine distance of two images, on average over all pairs. */
  readonly meanDistance: Estimate;
  /** Effective number of different images (Friedman and Dieng 2023), with the cosine as similarity. */
  readonly vendi: number;
}

/** @param cosines of all pairs, where they are known already */
export function diversity(features: Features, random: Random, cosines?: Table): Diversity {
  const unit = unitRows(features);
  const mean = (times: Uint32Array): number => meanDistance(unit, times);
  return {
    meanDistance: {
      value: mean(new Uint32Array(unit.rows).fill(1)),
      interval: bootstrap(unit.rows, random, mean),
    },
    vendi: vendi(unit, cosines),
  };
}

/** 1 - cosine over pairs of different rows, from the sum of the rows: |sum of w x|^2 holds every pair. */
function meanDistance({ rows, dimensions, values }: Features, times: Uint32Array): number {
  const sum = new Float64Array(dimensions);
  let [count, squares] = [0, 0];
  for (let i = 0; i < rows; i++) {
    const weight = times[i]!;
    if (weight === 0) continue;
    count += weight;
    squares += weight * weight;
    for (let k = 0; k < dimensions; k++) sum[k]! += weight * values[i * dimensions + k]!;
  }
  const all = sum.reduce((total, value) => total + value * value, 0);
  return 1 - (all - squares) / (count * count - squares);
}

/** The exponential of the entropy of the similarities' eigenvalues, which are those of the smaller of X'X and XX'. */
function vendi(unit: Features, cosines?: Table): number {
  const own = ownProducts(unit);
  const total = own.reduce((sum, value) => sum + value, 0);
  if (total === 0) return 1;
  const square =
    unit.rows < unit.dimensions
      ? { size: unit.rows, values: (cosines ?? products(unit, unit)).values }
      : weightedSquares({ ...unit, weights: new Uint8Array(unit.rows).fill(1) });
  const shares = eigenvaluesOf(square).map((value) => value / total);
  return Math.exp(-shares.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0));
}
