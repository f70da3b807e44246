import { fromHalf } from './half.ts';

/** Distances of feature vectors, in float64 from float16: the same on every machine. */

/** A vector, and its length. */
export interface Direction {
  readonly values: Float32Array;
  readonly length: number;
}

/** @param bits a vector of float16 bit patterns */
export function directionOf(bits: Uint16Array): Direction {
  const values = fromHalf(bits);
  return { values, length: Math.sqrt(product(values, values)) };
}

/** Cosine distance, 1 - cos of the angle between two vectors: 0 to 2, and 1 for a vector of zeros. */
export function distanceBetween(a: Direction, b: Direction): number {
  if (a.length === 0 || b.length === 0) return 1;
  return Math.max(0, 1 - product(a.values, b.values) / (a.length * b.length));
}

/** The cosine distance of two vectors of float16 bit patterns. */
export const cosineDistance = (a: Uint16Array, b: Uint16Array): number =>
  distanceBetween(directionOf(a), directionOf(b));

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
