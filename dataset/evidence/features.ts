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
    const i = atA + k;
    const j = atB + k;
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
  for (let i = 0; i < a.rows; i += 2) {
    // Of one and the same set only the upper triangle is computed.
    const from = a === b ? i - (i % 4) : 0;
    productsOfTwo(a, i, b, from, values.subarray(i * b.rows));
  }
  if (a === b)
    for (let i = 1; i < a.rows; i++) for (let j = 0; j < i; j++) values[i * b.rows + j] = values[j * b.rows + i]!;
  return { down: a.rows, across: b.rows, values };
}

/**
 * The products of rows i and i + 1 with the rows of another set from one on: two by four at a time, so that a number is read
 * once for several products, which takes a quarter of the time (arrays taken apart in the loop would cost it again). @param into two rows of a table, where the second one exists
 */
export function productsOfTwo(a: Features, i: number, b: Features, from: number, into: Float64Array): void {
  const { dimensions } = a;
  const [x, y] = [a.values, b.values];
  const second = i + 1 < a.rows;
  const i0 = i * dimensions;
  const i1 = second ? i0 + dimensions : i0;
  let j = from;
  for (; j + 3 < b.rows; j += 4) {
    const j0 = j * dimensions;
    const [j1, j2, j3] = [j0 + dimensions, j0 + 2 * dimensions, j0 + 3 * dimensions];
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    let [t0, t1, t2, t3] = [0, 0, 0, 0];
    for (let k = 0; k < dimensions; k++) {
      const p = x[i0 + k]!;
      const q = x[i1 + k]!;
      const y0 = y[j0 + k]!;
      const y1 = y[j1 + k]!;
      const y2 = y[j2 + k]!;
      const y3 = y[j3 + k]!;
      s0 += p * y0;
      s1 += p * y1;
      s2 += p * y2;
      s3 += p * y3;
      t0 += q * y0;
      t1 += q * y1;
      t2 += q * y2;
      t3 += q * y3;
    }
    into[j] = s0;
    into[j + 1] = s1;
    into[j + 2] = s2;
    into[j + 3] = s3;
    if (!second) continue;
    const other = b.rows + j;
    into[other] = t0;
    into[other + 1] = t1;
    into[other + 2] = t2;
    into[other + 3] = t3;
  }
  for (; j < b.rows; j++) {
    into[j] = product(x, i0, y, j * dimensions, dimensions);
    if (second) into[b.rows + j] = product(x, i1, y, j * dimensions, dimensions);
  }
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
