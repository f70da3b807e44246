import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { type Features, product } from './features.ts';
import { randomOf } from './random.ts';

/** Features in the plane in which they differ most: the first two principal components, found without any chance. */

export interface Plane {
  /** Two numbers for each row. */
  readonly places: Float64Array;
  /** Share of the variance along each of the two. */
  readonly shares: readonly [number, number];
}

/** Directions that are followed at once; more than are wanted, so that near ties are separated. */
const BLOCK = 6;
/** Enough where components differ; where hardly any do, one direction shows as much as another. */
const MAX_ROUNDS = 60;
/** Change of the variance along the two directions in a round below which they are found. */
const STILL = 1e-7;

/** Principal components by subspace iteration (Rutishauser 1970), with a sign that the rows decide. */
export function planeOf(features: Features): Plane {
  const { rows, dimensions } = features;
  const centred = centre(features);
  const total = product(centred.values, 0, centred.values, 0, centred.values.length);
  const places = new Float64Array(rows * 2);
  if (total === 0) return { places, shares: [0, 0] };
  const count = Math.min(BLOCK, dimensions);
  const random = randomOf('plane');
  let directions = orthonormal(
    Array.from({ length: count }, () => Float64Array.from({ length: dimensions }, () => random() - 0.5)),
  );
  let [found, before]: [number[], number[]] = [[], []];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const step = ritz(centred, directions);
    [before, found] = [found, step.values.slice(0, 2)];
    directions = step.directions;
    if (found.every((value, i) => Math.abs(value - (before[i] ?? 0)) <= STILL * total)) break;
    directions = orthonormal(applied(centred, directions));
  }
  for (const [axis, direction] of directions.slice(0, 2).entries()) {
    const along = projected(centred, direction);
    const farthest = along.reduce(
      (best, value, i) => (Math.abs(value) > Math.abs(along[best]!) * (1 + 1e-9) ? i : best),
      0,
    );
    const sign = along[farthest]! < 0 ? -1 : 1;
    for (let i = 0; i < rows; i++) places[2 * i + axis] = sign * along[i]!;
  }
  return { places, shares: [(found[0] ?? 0) / total, (found[1] ?? 0) / total] };
}

function centre(features: Features): Features {
  const { rows, dimensions } = features;
  const mean = new Float64Array(dimensions);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < dimensions; k++) mean[k]! += features.values[i * dimensions + k]! / rows;
  const values = features.values.map((value, at) => value - mean[at % dimensions]!);
  return { rows, dimensions, values };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/** Adds a multiple of another vector. */
function add(sum: Float64Array, times: number, other: Float64Array): void {
  for (let k = 0; k < sum.length; k++) sum[k]! += times * other[k]!;
}

function projected({ rows, dimensions, values }: Features, direction: Float64Array): Float64Array {
  const along = new Float64Array(rows);
  for (let i = 0, at = 0; i < rows; i++) {
    let sum = 0;
    for (let k = 0; k < dimensions; k++, at++) sum += values[at]! * direction[k]!;
    along[i] = sum;
  }
  return along;
}

/** X'X of each direction. */
const applied = (features: Features, directions: readonly Float64Array[]): Float64Array[] =>
  directions.map((direction) => {
    const { dimensions, values } = features;
    const sum = new Float64Array(dimensions);
    const along = projected(features, direction);
    for (let i = 0, at = 0; i < along.length; i++)
      for (let k = 0; k < dimensions; k++, at++) sum[k]! += along[i]! * values[at]!;
    return sum;
  });

/** The directions turned within their span so that each has a variance of its own, the largest first. */
function ritz(features: Features, directions: readonly Float64Array[]) {
  const along = directions.map((direction) => projected(features, direction));
  const small = new Matrix(along.map((a) => along.map((b) => dot(a, b))));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(small, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return {
    values: order.map((i) => realEigenvalues[i]!),
    directions: order.map((i) => {
      const mixed = new Float64Array(features.dimensions);
      for (const [j, direction] of directions.entries()) add(mixed, eigenvectorMatrix.get(j, i), direction);
      return mixed;
    }),
  };
}

/** Gram and Schmidt, twice, which is enough; directions that depend on others become zeros. */
function orthonormal(directions: readonly Float64Array[]): Float64Array[] {
  const made: Float64Array[] = [];
  for (const direction of directions) {
    const one = direction.slice();
    const before = Math.sqrt(dot(one, one));
    for (let twice = 0; twice < 2; twice++) for (const other of made) add(one, -dot(one, other), other);
    const length = Math.sqrt(dot(one, one));
    made.push(length > 1e-12 * before ? one.map((value) => value / length) : new Float64Array(one.length));
  }
  return made;
}
