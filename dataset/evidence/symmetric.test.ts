import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EigenvalueDecomposition, Matrix, solve } from 'ml-matrix';
import { diversity } from './diversity.ts';
import { featuresOf, products, unitRows } from './features.ts';
import { randomOf } from './random.ts';
import { between, choleskyOf, eigenvaluesOf, type Symmetric, solvePositive, weightedSquares } from './symmetric.ts';

/** Matrices of every size and rank, against a library that computes more. */

function rowsOf(key: string, rows: number, dimensions: number) {
  const random = randomOf(key);
  const values = Float64Array.from({ length: rows * dimensions }, () => random() - 0.3);
  const weights = Float64Array.from({ length: rows }, () => Math.floor(random() * 3));
  return { rows, dimensions, values, weights };
}

const matrixOf = ({ size, values }: Symmetric): Matrix => Matrix.from1DArray(size, size, values);
const sorted = (values: ArrayLike<number>): number[] => Array.from(values).sort((a, b) => a - b);

function near(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  const scale = Math.max(1e-300, ...Array.from(wanted, Math.abs));
  assert.equal(found.length, wanted.length);
  for (let i = 0; i < wanted.length; i++)
    assert.ok(Math.abs(found[i]! - wanted[i]!) <= 1e-11 * scale, `${i}: ${found[i]} is not ${wanted[i]}`);
}

const SIZES: readonly (readonly [rows: number, dimensions: number])[] = [
  [1, 1],
  [5, 1],
  [7, 2],
  [3, 9],
  [40, 17],
  [90, 64],
];

for (const [rows, dimensions] of SIZES) {
  const given = rowsOf(`${rows} ${dimensions}`, rows, dimensions);
  const squares = weightedSquares(given);
  const name = `${rows} rows of ${dimensions}`;

  test(`${name}: sums of squares`, () => {
    const x = Matrix.from1DArray(rows, dimensions, given.values);
    near(
      squares.values,
      x
        .transpose()
        .mmul(x.clone().mulColumnVector([...given.weights]))
        .to1DArray(),
    );
  });

  test(`${name}: eigenvalues`, () => {
    const { realEigenvalues } = new EigenvalueDecomposition(matrixOf(squares), { assumeSymmetric: true });
    near(sorted(eigenvaluesOf(squares)), sorted(realEigenvalues));
  });

  test(`${name}: eigenvalues of a product, without the square root of a matrix`, () => {
    const other = weightedSquares(rowsOf(`other ${rows}`, rows, dimensions));
    const lower = choleskyOf(squares);
    near(
      Matrix.from1DArray(dimensions, dimensions, lower)
        .mmul(Matrix.from1DArray(dimensions, dimensions, lower).transpose())
        .to1DArray(),
      squares.values,
    );
    const { realEigenvalues } = new EigenvalueDecomposition(matrixOf(squares).mmul(matrixOf(other)));
    const found = sorted(eigenvaluesOf(between(lower, other)));
    // The library's own are of a matrix that is not symmetric, and less exact.
    const scale = Math.max(1, ...realEigenvalues.map(Math.abs));
    sorted(realEigenvalues).forEach((value, i) => {
      assert.ok(Math.abs(found[i]! - value) <= 1e-8 * scale, `${found[i]} is not ${value}`);
    });
  });

  test(`${name}: equations`, () => {
    const positive = { size: dimensions, values: squares.values.slice() };
    for (let k = 0; k < dimensions; k++) positive.values[k * dimensions + k]! += 1;
    const right = Array.from({ length: dimensions }, (_, k) => Math.sin(k + 1));
    near(solvePositive(positive, right), solve(matrixOf(positive), Matrix.columnVector(right)).to1DArray());
  });
}

test('matrices of zeros, and with equal eigenvalues', () => {
  const zeros = { size: 3, values: new Float64Array(9) };
  assert.deepEqual([...eigenvaluesOf(zeros)], [0, 0, 0]);
  assert.deepEqual([...choleskyOf(zeros)], [...zeros.values]);
  const threes = { size: 4, values: Float64Array.from(Matrix.eye(4).mul(3).to1DArray()) };
  assert.deepEqual([...eigenvaluesOf(threes)], [3, 3, 3, 3]);
  assert.deepEqual([...eigenvaluesOf({ size: 0, values: new Float64Array(0) })], []);
});

test('a matrix of ones, of any size: one eigenvalue', () => {
  for (const size of [2, 3, 17, 120, 300]) {
    const found = sorted(eigenvaluesOf({ size, values: new Float64Array(size * size).fill(1) }));
    near(found, [...new Array<number>(size - 1).fill(0), size]);
  }
});

const COLLAPSED: readonly (readonly [images: number, distinct: number])[] = [
  [120, 2],
  [300, 1],
  [300, 3],
  [300, 10],
];

for (const [images, distinct] of COLLAPSED) {
  test(`a collapsed cohort: ${images} images of 512 features, ${distinct} of them distinct`, () => {
    const random = randomOf(`collapsed ${images} ${distinct}`);
    const vectors = Array.from({ length: distinct }, () => Float32Array.from({ length: 512 }, () => random()));
    const unit = unitRows(
      featuresOf(
        Array.from({ length: images }, (_, i) => vectors[i % distinct]!),
        512,
      ),
    );
    // The eigenvalues are those of the small matrix of distinct images, each as often as it is there.
    const times = vectors.map((_, i) => Math.floor((images - 1 - i) / distinct) + 1);
    const small = Matrix.zeros(distinct, distinct);
    const one = unitRows(featuresOf(vectors, 512));
    const { values } = products(one, one);
    for (let i = 0; i < distinct; i++)
      for (let j = 0; j < distinct; j++) small.set(i, j, Math.sqrt(times[i]! * times[j]!) * values[i * distinct + j]!);
    const { realEigenvalues } = new EigenvalueDecomposition(small, { assumeSymmetric: true });
    const wanted = sorted([...new Array<number>(images - distinct).fill(0), ...realEigenvalues]);
    near(sorted(eigenvaluesOf({ size: images, values: products(unit, unit).values })), wanted);
    const total = realEigenvalues.reduce((sum, value) => sum + value, 0);
    const entropy = -realEigenvalues.reduce((sum, value) => sum + (value / total) * Math.log(value / total), 0);
    const { vendi } = diversity(unit, randomOf('x'));
    assert.ok(Math.abs(vendi - Math.exp(entropy)) < 1e-9, `${vendi} is not ${Math.exp(entropy)}`);
  });
}
