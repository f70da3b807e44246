import type { Estimate } from '../../contract/schema/evidence.ts';
import { type Random, resample } from './random.ts';

/** Bootstrap intervals (Efron 1979): images are drawn again, with replacement, and the statistic is computed again. */

export const LEVEL = 0.95;
export const RESAMPLES = 200;

/** The value at a share of sorted values, interpolated as numpy does. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

const sortedOf = (values: readonly number[]): Float64Array => Float64Array.from(values).sort();

/** Between the percentiles of the resampled values. */
export function percentileInterval(values: readonly number[]): [number, number] {
  const sorted = sortedOf(values);
  return [quantile(sorted, (1 - LEVEL) / 2), quantile(sorted, (1 + LEVEL) / 2)];
}

/**
 * The basic interval (Davison and Hinkley 1997, 5.2): the resampled values vary around `centre`, what they estimate, as the
 * value varies around the truth. For statistics that resampling moves, since images drawn twice look alike.
 */
export function basicInterval(value: number, centre: number, values: readonly number[]): [number, number] {
  const [low, high] = percentileInterval(values);
  return [value + centre - high, value + centre - low];
}

/** A statistic of resamples: `times` says how often each row is drawn. */
export function bootstrap(rows: number, random: Random, statistic: (times: Uint32Array) => number): [number, number] {
  return percentileInterval(Array.from({ length: RESAMPLES }, () => statistic(resample(rows, random))));
}

/** The mean of values, one for each row, with its interval. */
export function meanOf(values: ArrayLike<number>, random: Random): Estimate {
  const weighted = (times: ArrayLike<number>): number => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += times[i]! * values[i]!;
    return sum / values.length;
  };
  return {
    value: weighted(new Uint32Array(values.length).fill(1)),
    interval: bootstrap(values.length, random, weighted),
  };
}
