import type { Estimate } from '../../contract/schema/evidence.ts';
import type { Features } from './features.ts';
import { normalInterval } from './interval.ts';
import { type Random, resample, shuffled } from './random.ts';
import { between, choleskyOf, eigenvaluesOf, type Symmetric, weightedSquares } from './symmetric.ts';

/** The Fréchet distance of two sets of features (FID, Heusel et al. 2017), and what it tends to with more images. */

/** Sums over images, which add up: how many, the sum of their features, and of the products of each two features. */
interface Sums {
  readonly count: number;
  readonly sum: Float64Array;
  readonly products: Float64Array;
}

type Halves = readonly [Sums, Sums];

/** Resamples of the interval, few: each takes as long as the distance itself, and only their spread is used. */
const RESAMPLES = 30;
/** Dimensions above which no interval is given: decompositions would take minutes. */
const MAX_RESAMPLED = 256;
/** Images of each set for each dimension, at least: below that even the extrapolated distance is far off. */
export const IMAGES_PER_DIMENSION = 2;

export interface Frechet {
  /** As clean-fid and torch-fidelity compute it: too large for few images. */
  readonly fid: number;
  /** Extrapolated to infinitely many images (Chong and Forsyth 2020). */
  readonly fidInfinity: Estimate;
}

/**
 * The Fréchet distance and its extrapolation. The distance of n images is too large by about c / n, so it is fitted as a line in
 * 1 / n. Both sets are halved for that, since a finite reference adds its own part. Smaller parts would not make it more
 * precise, and with few images c / n bends there.
 */
export function frechet(a: Features, b: Features, random: Random): Frechet {
  const orders = [shuffled(a.rows, random), shuffled(b.rows, random)] as const;
  const once = [new Uint32Array(a.rows).fill(1), new Uint32Array(b.rows).fill(1)] as const;
  const [value, fid] = extrapolated(halvesOf(a, orders[0], once[0]), halvesOf(b, orders[1], once[1]));
  if (a.dimensions > MAX_RESAMPLED) return { fid, fidInfinity: { value, interval: null } };
  const values = Array.from({ length: RESAMPLES }, () => {
    const [timesA, timesB] = [resample(a.rows, random), resample(b.rows, random)];
    return extrapolated(halvesOf(a, orders[0], timesA), halvesOf(b, orders[1], timesB))[0];
  });
  return { fid, fidInfinity: { value, interval: normalInterval(value, values) } };
}

/** The distance at 1 / n = 0, and of the whole sets: a line through the distances of halves, at 2 / n, and of all. */
function extrapolated([a1, a2]: Halves, [b1, b2]: Halves): [number, number] {
  const whole = distance(added(a1, a2), added(b1, b2));
  return [2 * whole - (distance(a1, b1) + distance(a2, b2)) / 2, whole];
}

const added = (a: Sums, b: Sums): Sums => ({
  count: a.count + b.count,
  sum: a.sum.map((value, k) => value + b.sum[k]!),
  products: a.products.map((value, k) => value + b.products[k]!),
});

/** Sums of two halves of the rows, which are drawn so many `times`: of those at even and at odd places of the order. */
function halvesOf(features: Features, order: Uint32Array, times: Uint32Array): Halves {
  const halves = [new Float64Array(features.rows), new Float64Array(features.rows)] as const;
  for (const [i, row] of order.entries()) halves[(i % 2) as 0 | 1][row] = times[row]!;
  return [sumsOf(features, halves[0]), sumsOf(features, halves[1])];
}

function sumsOf(features: Features, weights: Float64Array): Sums {
  const { rows, dimensions, values } = features;
  const sum = new Float64Array(dimensions);
  let count = 0;
  for (let i = 0; i < rows; i++) {
    const weight = weights[i]!;
    if (weight === 0) continue;
    count += weight;
    for (let k = 0; k < dimensions; k++) sum[k]! += weight * values[i * dimensions + k]!;
  }
  return { count, sum, products: weightedSquares({ ...features, weights }).values };
}

/** The Fréchet distance of two normal distributions with the sets' means and covariances. */
function distance(a: Sums, b: Sums): number {
  const [one, other] = [covariance(a), covariance(b)];
  let apart = 0;
  for (let k = 0; k < a.sum.length; k++) apart += (a.sum[k]! / a.count - b.sum[k]! / b.count) ** 2;
  // The overlap is the trace of the square root of a product of both, whose eigenvalues are those of L' B L.
  const cross = eigenvaluesOf(between(choleskyOf(one), other));
  const overlap = cross.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  return apart + traceOf(one) + traceOf(other) - 2 * overlap;
}

function traceOf({ size, values }: Symmetric): number {
  let trace = 0;
  for (let k = 0; k < size; k++) trace += values[k * size + k]!;
  return trace;
}

function covariance({ count, sum, products }: Sums): Symmetric {
  const size = sum.length;
  const values = new Float64Array(products.length);
  for (let k = 0, at = 0; k < size; k++)
    for (let l = 0; l < size; l++, at++) values[at] = (products[at]! - (sum[k]! * sum[l]!) / count) / (count - 1);
  return { size, values };
}
