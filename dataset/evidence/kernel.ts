import type { Estimate } from '../../contract/schema/evidence.ts';
import type { Table } from './features.ts';
import { bootstrap } from './interval.ts';
import { type Random, resample } from './random.ts';

/**
 * The kernel distance of two sets of features (KID, Binkowski et al. 2018): the unbiased estimate of the squared maximum mean
 * discrepancy under the kernel (x . y / d + 1)^3. Every pair of images counts once, so that no draw of subsets decides it.
 */
export interface ProductTables {
  readonly aa: Table;
  readonly bb: Table;
  readonly ab: Table;
}

export function kernelDistance(tables: ProductTables, dimensions: number, random: Random): Estimate {
  const [aa, bb, ab] = [tables.aa, tables.bb, tables.ab].map((table) => kernelOf(table, dimensions)) as [
    Table,
    Table,
    Table,
  ];
  const of = (timesA: Uint32Array, timesB: Uint32Array): number =>
    meanWithin(aa, timesA) + meanWithin(bb, timesB) - 2 * meanBetween(ab, timesA, timesB);
  const ones = (rows: number): Uint32Array => new Uint32Array(rows).fill(1);
  return {
    value: of(ones(aa.down), ones(bb.down)),
    interval: bootstrap(aa.down, random, (times) => of(times, resample(bb.down, random))),
  };
}

function kernelOf({ down, across, values }: Table, dimensions: number): Table {
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const base = values[i]! / dimensions + 1;
    result[i] = base * base * base;
  }
  return { down, across, values: result };
}

/** The mean over pairs of different rows, each as often as both are drawn. */
function meanWithin({ down, values }: Table, times: Uint32Array): number {
  let [sum, pairs, squares] = [0, 0, 0];
  for (let i = 0; i < down; i++) {
    const weight = times[i]!;
    pairs += weight;
    squares += weight * weight;
    if (weight === 0) continue;
    let row = 0;
    for (let j = i + 1; j < down; j++) row += times[j]! * values[i * down + j]!;
    sum += 2 * weight * row;
  }
  return sum / (pairs * pairs - squares);
}

function meanBetween({ down, across, values }: Table, timesA: Uint32Array, timesB: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < down; i++) {
    if (timesA[i] === 0) continue;
    let row = 0;
    for (let j = 0; j < across; j++) row += timesB[j]! * values[i * across + j]!;
    sum += timesA[i]! * row;
  }
  return sum / (down * across);
}
