import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { featuresOf, rowOf } from './features.ts';
import { planeOf } from './plane.ts';
import { randomOf } from './random.ts';

/** The plane of a map against the eigenvectors of the whole covariance. */

function cloud(rows: number, dimensions: number) {
  const random = randomOf(`cloud ${dimensions}`);
  const vectors = Array.from({ length: rows }, () => {
    const [a, b] = [random(), random()];
    return Float32Array.from(
      { length: dimensions },
      (_, k) => 3 * a * Math.sin(k) + b * Math.cos(3 * k) + 0.3 * random(),
    );
  });
  return featuresOf(vectors, dimensions);
}

for (const dimensions of [2, 12, 90]) {
  test(`places in ${dimensions} dimensions are the projections on the first two eigenvectors`, () => {
    const features = cloud(60, dimensions);
    const rows = new Matrix(Array.from({ length: 60 }, (_, i) => [...rowOf(features, i)]));
    const centred = rows.subRowVector(rows.mean('column'));
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(centred.transpose().mmul(centred), {
      assumeSymmetric: true,
    });
    const order = realEigenvalues.map((_, k) => k).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
    const total = realEigenvalues.reduce((a, b) => a + b, 0);
    const { places, shares } = planeOf(features);
    for (const axis of [0, 1]) {
      const expected = centred.mmul(eigenvectorMatrix.getColumnVector(order[axis]!)).to1DArray();
      const sign = Math.sign(expected[0]! * places[axis]!);
      for (const [i, value] of expected.entries())
        assert.ok(Math.abs(places[2 * i + axis]! - sign * value) < 1e-3, `${places[2 * i + axis]} is not ${value}`);
      assert.ok(Math.abs(shares[axis]! - realEigenvalues[order[axis]!]! / total) < 1e-5);
    }
  });
}

test('images that are all alike, one image and none have a place', () => {
  const same = featuresOf([Float32Array.of(1, 2), Float32Array.of(1, 2)], 2);
  assert.deepEqual([...planeOf(same).places], [0, 0, 0, 0]);
  assert.deepEqual([...planeOf(featuresOf([Float32Array.of(1, 2)], 2)).places], [0, 0]);
  assert.deepEqual(planeOf(featuresOf([], 0)), { places: new Float64Array(0), shares: [0, 0] });
  const line = featuresOf([Float32Array.of(1), Float32Array.of(3)], 1);
  assert.deepEqual(
    [...planeOf(line).places].map((place) => place + 0), // without -0
    [1, 0, -1, 0],
  );
});
