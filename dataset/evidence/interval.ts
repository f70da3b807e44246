import type { Estimate } from '../../contract/schema/evidence.ts';
import { type Random, resample } from './random.ts';

/** Bootstrap intervals (Efron 1979): images are drawn again, with replacement, and the statistic is computed again. */

export const LEVEL = 0.95;
const RESAMPLES = 100;

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

/** Half the width of a normal distribution's middle `LEVEL`, in standard deviations. */
const NORMAL = 1.96;

/** Around the value as wide as resampled values spread: for statistics that are costly to compute many times. */
export function normalInterval(value: number, values: readonly number[]): [number, number] {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (values.length - 1));
  return [value - NORMAL * spread, value + NORMAL * spread];
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
