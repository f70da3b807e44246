import { fromHalf } from '../../platform/half.ts';

/** Feature vectors of images, a row each, and the products and samples that the measures are made of. */

export interface Features {
  readonly rows: number;
  readonly dimensions: number;
  /** Row after row. */
  readonly values: Float32Array;
}

export const featuresOf = (vectors: readonly ArrayLike<number>[], dimensions: number): Features => {
  const values = new Float32Array(vectors.length * dimensions);
  vectors.forEach((vector, i) => void values.set(vector, i * dimensions));
  return { rows: vectors.length, dimensions, values };
};

/** As `featuresOf`, of vectors in float16, as bit patterns. @param vectors at least one */
export const featuresOfHalves = (vectors: readonly Uint16Array[]): Features =>
  featuresOf(vectors.map(fromHalf), vectors[0]!.length);

export const rowOf = ({ dimensions, values }: Features, i: number): Float32Array =>
  values.subarray(i * dimensions, (i + 1) * dimensions);

/** The rows at some places, in that order. */
export const takeRows = (features: Features, places: ArrayLike<number>): Features =>
  featuresOf(
    Array.from(places, (i) => rowOf(features, i)),
    features.dimensions,
  );

/** The rows scaled to length 1; a row of zeros stays. */
export function unitRows(features: Features): Features {
  const values = new Float32Array(features.values);
  scaleToUnit({ ...features, values });
  return { ...features, values };
}

/** As `unitRows`, in place: for rows that are too many to be held twice. */
export function scaleToUnit({ rows, dimensions, values }: Features): void {
  for (let i = 0; i < rows; i++) {
    const at = i * dimensions;
    const length = Math.sqrt(product(values, at, values, at, dimensions));
    if (length > 0) for (let k = at; k < at + dimensions; k++) values[k]! /= length;
  }
}

/** The product of two rows, in double precision; eight numbers at a time take half as long. */
export function product(a: Float32Array, atA: number, b: Float32Array, atB: number, dimensions: number): number {
  let [s0, s1, s2, s3, k] = [0, 0, 0, 0, 0];
  for (; k + 7 < dimensions; k += 8) {
    const [i, j] = [atA + k, atB + k];
    s0 += a[i]! * b[j]! + a[i + 4]! * b[j + 4]!;
    s1 += a[i + 1]! * b[j + 1]! + a[i + 5]! * b[j + 5]!;
    s2 += a[i + 2]! * b[j + 2]! + a[i + 6]! * b[j + 6]!;
    s3 += a[i + 3]! * b[j + 3]! + a[i + 7]! * b[j + 7]!;
  }
  for (; k < dimensions; k++) s0 += a[atA + k]! * b[atB + k]!;
  return s0 + s1 + s2 + s3;
}

/** A table with a value for each row of one set (down) and each row of another (across). */
export interface Table {
  readonly down: number;
  readonly across: number;
  readonly values: Float64Array;
}

/** The products of all pairs of rows. */
export function products(a: Features, b: Features): Table {
  const values = new Float64Array(a.rows * b.rows);
  const { dimensions } = a;
  for (let i = 0; i < a.rows; i++) {
    for (let j = a === b ? i : 0; j < b.rows; j++) {
      const value = product(a.values, i * dimensions, b.values, j * dimensions, dimensions);
      values[i * b.rows + j] = value;
      if (a === b) values[j * b.rows + i] = value;
    }
  }
  return { down: a.rows, across: b.rows, values };
}

/** The squared Euclidean distances of all pairs, from their products and the rows' own. */
export function squaredDistances({ down, across, values }: Table, ownA: Float64Array, ownB: Float64Array): Table {
  const result = new Float64Array(values.length);
  for (let i = 0, at = 0; i < down; i++) {
    for (let j = 0; j < across; j++, at++) result[at] = Math.max(0, ownA[i]! + ownB[j]! - 2 * values[at]!);
  }
  return { down, across, values: result };
}

/** The product of each row with itself. */
export const ownProducts = ({ rows, dimensions, values }: Features): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => product(values, i * dimensions, values, i * dimensions, dimensions));
