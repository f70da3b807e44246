/**
 * Symmetric matrices, row after row in an array: what figures need of them, and no more. Eigenvectors, which general libraries
 * compute as well, would take ten times as long.
 */

export interface Symmetric {
  readonly size: number;
  readonly values: Float64Array;
}

/** Rows of numbers, and how much each counts. */
interface Weighted {
  readonly rows: number;
  readonly dimensions: number;
  readonly values: Float32Array | Float64Array;
  /** Rows with the weight 0 cost nothing. */
  readonly weights: ArrayLike<number>;
}

/** The sum of w x x' over rows: four rows at a time, so that sums are read and written a quarter as often. */
export function weightedSquares({ rows, dimensions, values, weights }: Weighted): Symmetric {
  const used: number[] = [];
  for (let i = 0; i < rows; i++) if (weights[i] !== 0) used.push(i);
  const sums = new Float64Array(dimensions * dimensions);
  const scaled = new Float64Array(4 * dimensions);
  const plain = new Float64Array(4 * dimensions);
  for (let first = 0; first < used.length; first += 4) {
    for (let part = 0; part < 4; part++) {
      const row = used[first + part];
      const weight = row === undefined ? 0 : weights[row]!;
      for (let k = 0; k < dimensions; k++) {
        const value = row === undefined ? 0 : values[row * dimensions + k]!;
        plain[4 * k + part] = value;
        scaled[4 * k + part] = weight * value;
      }
    }
    for (let k = 0; k < dimensions; k++) {
      const at = 4 * k;
      const w0 = scaled[at]!;
      const w1 = scaled[at + 1]!;
      const w2 = scaled[at + 2]!;
      const w3 = scaled[at + 3]!;
      const row = k * dimensions;
      for (let l = k, other = at; l < dimensions; l++, other += 4)
        sums[row + l]! +=
          w0 * plain[other]! + w1 * plain[other + 1]! + (w2 * plain[other + 2]! + w3 * plain[other + 3]!);
    }
  }
  mirror(sums, dimensions);
  return { size: dimensions, values: sums };
}

/** Copies the upper triangle to the lower. */
function mirror(values: Float64Array, size: number): void {
  for (let k = 1; k < size; k++) for (let l = 0; l < k; l++) values[k * size + l] = values[l * size + k]!;
}

/** The lower triangle L of L L' = A (Cholesky); a direction without variance, up to rounding, becomes a column of zeros. */
export function choleskyOf({ size, values }: Symmetric): Float64Array {
  const lower = new Float64Array(size * size);
  let most = 0;
  for (let k = 0; k < size; k++) most = Math.max(most, values[k * size + k]!);
  const least = most * size * Number.EPSILON;
  for (let j = 0; j < size; j++) {
    const atJ = j * size;
    const pivot = values[atJ + j]! - dot(lower, atJ, lower, atJ, j);
    if (!(pivot > least)) continue;
    const root = Math.sqrt(pivot);
    lower[atJ + j] = root;
    for (let i = j + 1; i < size; i++)
      lower[i * size + j] = (values[i * size + j]! - dot(lower, i * size, lower, atJ, j)) / root;
  }
  return lower;
}

/** Solves A x = b for a positive definite A. */
export function solvePositive(matrix: Symmetric, right: readonly number[]): number[] {
  const { size } = matrix;
  const lower = choleskyOf(matrix);
  const x = Float64Array.from(right);
  for (let i = 0; i < size; i++) x[i] = (x[i]! - dot(lower, i * size, x, 0, i)) / lower[i * size + i]!;
  for (let i = size - 1; i >= 0; i--) {
    x[i]! /= lower[i * size + i]!;
    for (let k = 0; k < i; k++) x[k]! -= lower[i * size + k]! * x[i]!;
  }
  return [...x];
}

/** L' B L, of which the eigenvalues are those of A B where A = L L'. @param lower a lower triangle */
export function between(lower: Float64Array, { size, values }: Symmetric): Symmetric {
  // Rows of L', so that all products are of rows.
  const upper = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let k = 0; k <= i; k++) upper[k * size + i] = lower[i * size + k]!;
  const half = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) half[i * size + j] = dot(upper, i * size + i, values, j * size + i, size - i);
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = i; j < size; j++) result[i * size + j] = dot(half, i * size + j, upper, j * size + j, size - j);
  mirror(result, size);
  return { size, values: result };
}

/** The eigenvalues, in any order: Householder's reduction to a tridiagonal matrix, then QL with implicit shifts (EISPACK tred1, tql1). */
export function eigenvaluesOf({ size, values }: Symmetric): Float64Array {
  const { diagonal, beside } = tridiagonal(values.slice(), size);
  // What is nothing beside the largest rows is nothing, even between rows that are rounding errors themselves.
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, Math.abs(diagonal[i]!) + Math.abs(beside[i]!));
  for (let l = 0; l < size; l++) {
    for (let round = 0; ; round++) {
      let m = l;
      for (; m < size - 1; m++) {
        const scale = Math.max(largest, Math.abs(diagonal[m]!) + Math.abs(diagonal[m + 1]!));
        if (Math.abs(beside[m]!) <= Number.EPSILON * scale) break;
      }
      if (m === l) break;
      if (round === 60) throw new Error('eigenvalues do not converge');
      step(diagonal, beside, l, m);
    }
  }
  return diagonal;
}

/** One QL step with an implicit shift, on rows l to m. */
function step(d: Float64Array, e: Float64Array, l: number, m: number): void {
  let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  let r = Math.hypot(g, 1);
  g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r));
  let [s, c, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const [f, b] = [s * e[i]!, c * e[i]!];
    r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1]! - p;
    r = (d[i]! - g) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = g + p;
    g = c * r - b;
  }
  d[l]! -= p;
  e[l] = g;
  e[m] = 0;
}

/** Diagonal and the numbers beside it, the last of which is 0. @param a is overwritten */
function tridiagonal(a: Float64Array, size: number): { diagonal: Float64Array; beside: Float64Array } {
  const beside = new Float64Array(size);
  const [u, q] = [new Float64Array(size), new Float64Array(size)];
  for (let i = size - 1; i > 0; i--) {
    const row = i * size;
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(a[row + k]!);
    if (i === 1 || scale === 0) {
      beside[i - 1] = a[row + i - 1]!;
      continue;
    }
    for (let k = 0; k < i; k++) u[k] = a[row + k]! / scale;
    let h = dot(u, 0, u, 0, i);
    const f = u[i - 1]!;
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
    beside[i - 1] = scale * g;
    h -= f * g;
    u[i - 1] = f - g;
    for (let j = 0; j < i; j++) q[j] = dot(a, j * size, u, 0, i) / h;
    const half = dot(q, 0, u, 0, i) / (2 * h);
    for (let j = 0; j < i; j++) q[j]! -= half * u[j]!;
    for (let j = 0; j < i; j++) {
      const uj = u[j]!;
      const qj = q[j]!;
      const at = j * size;
      for (let k = 0; k < i; k++) a[at + k]! -= uj * q[k]! + qj * u[k]!;
    }
  }
  return { diagonal: Float64Array.from({ length: size }, (_, i) => a[i * size + i]!), beside };
}

/** The product of `length` numbers of each array. */
function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  let [s0, s1, s2, s3, k] = [0, 0, 0, 0, 0];
  for (; k + 3 < length; k += 4) {
    const i = atA + k;
    const j = atB + k;
    s0 += a[i]! * b[j]!;
    s1 += a[i + 1]! * b[j + 1]!;
    s2 += a[i + 2]! * b[j + 2]!;
    s3 += a[i + 3]! * b[j + 3]!;
  }
  for (; k < length; k++) s0 += a[atA + k]! * b[atB + k]!;
  return s0 + s1 + (s2 + s3);
}
