import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { diversity } from './diversity.ts';
import { type Features, featuresOf, ownProducts, products, squaredDistances, takeRows, unitRows } from './features.ts';
import { frechet } from './frechet.ts';
import { kernelDistance } from './kernel.ts';
import { manifold } from './manifold.ts';
import { nearest, nearestOther } from './nearest.ts';
import { createCopySearch } from './privacy.ts';
import { randomOf, sampleOf } from './random.ts';
import { separability } from './separability.ts';

/** Normal features around a mean, the same in every dimension. */
function normal(key: string, rows: number, dimensions: number, mean = 0, spread = 1): Features {
  const random = randomOf(key);
  const one = () => mean + spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return featuresOf(
    Array.from({ length: rows }, () => Float32Array.from({ length: dimensions }, one)),
    dimensions,
  );
}

const tablesOf = (a: Features, b: Features) => ({ aa: products(a, a), bb: products(b, b), ab: products(a, b) });

function manifoldOf(real: Features, synthetic: Features) {
  const { aa, bb, ab } = tablesOf(real, synthetic);
  const [own, others] = [ownProducts(real), ownProducts(synthetic)];
  const distances = {
    realToReal: squaredDistances(aa, own, own),
    syntheticToSynthetic: squaredDistances(bb, others, others),
    realToSynthetic: squaredDistances(ab, own, others),
  };
  return manifold(distances, randomOf('manifold'));
}

const holds = (interval: [number, number] | null, value: number): boolean =>
  interval !== null && interval[0] <= value && value <= interval[1];

describe('Fréchet distance', () => {
  test('of a set to itself is 0', () => {
    const a = normal('a', 300, 8);
    assert.ok(Math.abs(frechet(a, a, randomOf('x')).fid) < 1e-6);
  });

  test('of known distributions is what the formula says, once it is extrapolated', () => {
    // Means 1 apart in 8 dimensions, spreads 1 and 2: 8 * 1 + 8 * (2 - 1) ** 2.
    const found = frechet(normal('a', 1000, 8), normal('b', 1000, 8, 1, 2), randomOf('x'));
    assert.ok(Math.abs(found.fidInfinity.value - 16) < 1, JSON.stringify(found));
    assert.ok(holds(found.fidInfinity.interval, 16), JSON.stringify(found));
  });

  test('of one distribution tends to 0, where the plain distance does not', () => {
    const found = frechet(normal('a', 200, 32), normal('b', 200, 32), randomOf('x'));
    assert.ok(found.fid > 2, JSON.stringify(found));
    assert.ok(Math.abs(found.fidInfinity.value) < found.fid / 4, JSON.stringify(found));
  });

  test('has an interval that holds the truth', () => {
    const held = Array.from({ length: 20 }, (_, i) => {
      const { fidInfinity } = frechet(normal(`a${i}`, 200, 8), normal(`b${i}`, 200, 8, 0.5, 1.5), randomOf('x'));
      return holds(fidInfinity.interval, 8 * 0.25 + 8 * 0.25);
    });
    assert.ok(held.filter(Boolean).length >= 17, String(held));
  });

  test('is the same for the same images, and the same both ways', () => {
    const [a, b] = [normal('a', 200, 8), normal('b', 200, 8, 0.5)];
    assert.deepEqual(frechet(a, b, randomOf('x')), frechet(a, b, randomOf('x')));
    assert.ok(Math.abs(frechet(a, b, randomOf('x')).fid - frechet(b, a, randomOf('x')).fid) < 1e-9);
  });

  test('of features that depend on one another is still a number', () => {
    const twice = ({ rows, dimensions, values }: Features): Features =>
      featuresOf(
        Array.from({ length: rows }, (_, i) => {
          const row = [...values.subarray(i * dimensions, (i + 1) * dimensions)];
          return [...row, ...row];
        }),
        2 * dimensions,
      );
    const [a, b] = [normal('a', 200, 4), normal('b', 200, 4, 1)];
    const single = frechet(a, b, randomOf('x')).fid;
    assert.ok(Math.abs(frechet(twice(a), twice(b), randomOf('x')).fid - 2 * single) < 1e-4);
  });
});

describe('kernel distance', () => {
  test('of one distribution is about 0 on average, since it is unbiased', () => {
    const values = Array.from({ length: 20 }, (_, i) => {
      return kernelDistance(tablesOf(normal(`a${i}`, 60, 8), normal(`b${i}`, 60, 8)), 8, randomOf('x')).value;
    });
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const error = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length / 20);
    assert.ok(Math.abs(mean) < 3 * error, `${mean} ${error}`);
    assert.ok(Math.min(...values) < 0);
  });

  test('of two distributions is above 0, its interval included', () => {
    const { value, interval } = kernelDistance(
      tablesOf(normal('a', 200, 8), normal('b', 200, 8, 0.5)),
      8,
      randomOf('x'),
    );
    assert.ok(interval![0] > 0 && holds(interval, value), JSON.stringify({ value, interval }));
  });
});

describe('manifold', () => {
  test('of the same images is complete', () => {
    const a = normal('a', 100, 8);
    const { precision, recall, coverage } = manifoldOf(a, a);
    for (const { value, interval } of [precision, recall, coverage]) {
      assert.equal(value, 1);
      assert.deepEqual(interval, [1, 1]);
    }
  });

  test('of images far from each other is empty', () => {
    const { precision, recall, density, coverage } = manifoldOf(normal('a', 100, 8), normal('b', 100, 8, 50));
    for (const { value } of [precision, recall, density, coverage]) assert.equal(value, 0);
  });

  test('one mode of two is precise and does not cover', () => {
    const [left, right] = [normal('a', 100, 8), normal('b', 100, 8, 20)];
    const real = featuresOf([...rowsOf(left), ...rowsOf(right)], 8);
    const { precision, recall, coverage, density } = manifoldOf(real, normal('c', 200, 8));
    assert.ok(
      precision.value > 0.8 && recall.value < 0.6 && coverage.value < 0.6,
      JSON.stringify({ precision, recall }),
    );
    assert.ok(density.value > 0.8);
  });
});

const rowsOf = ({ rows, dimensions, values }: Features): Float32Array[] =>
  Array.from({ length: rows }, (_, i) => values.subarray(i * dimensions, (i + 1) * dimensions));

describe('diversity', () => {
  test('of one image many times is one image', () => {
    const same = takeRows(normal('a', 1, 8), new Uint32Array(50));
    const { vendi, meanDistance } = diversity(same, randomOf('x'));
    assert.ok(Math.abs(vendi - 1) < 1e-6 && Math.abs(meanDistance.value) < 1e-6, `${vendi} ${meanDistance.value}`);
  });

  test('of orthogonal images is their number', () => {
    const rows = Array.from({ length: 8 }, (_, i) => Float32Array.from({ length: 8 }, (__, k) => (i === k ? 3 : 0)));
    const { vendi, meanDistance } = diversity(featuresOf(rows, 8), randomOf('x'));
    assert.ok(Math.abs(vendi - 8) < 1e-9);
    assert.equal(meanDistance.value, 1);
  });

  test('needs no more images than dimensions', () => {
    const few = diversity(normal('a', 10, 64), randomOf('x')).vendi;
    assert.ok(few > 8 && few <= 10, String(few));
  });
});

describe('separability', () => {
  test('of one distribution is about a half', () => {
    const { value, interval } = separability(normal('a', 300, 4), normal('b', 300, 4), randomOf('x'));
    assert.ok(value < 0.6 && holds(interval, 0.5), `${value} ${interval}`);
  });

  test('of sets far apart is 1', () => {
    const { value } = separability(normal('a', 100, 4), normal('b', 100, 4, 20), randomOf('x'));
    assert.equal(value, 1);
  });
});

describe('privacy', () => {
  const training = normal('training', 400, 16);
  const heldOut = normal('held out', 400, 16);
  const search = (synthetic: Features) =>
    createCopySearch({ training, heldOut }, synthetic, randomOf('x'))(
      Array.from({ length: synthetic.rows }, (_, i) => i),
      nearestOther(products(unitRows(synthetic), unitRows(synthetic))),
      randomOf('y'),
    );

  test('of new images says that there is nothing', () => {
    const { privacy: found } = search(normal('new', 400, 16));
    assert.ok(holds(found.nearerToTraining.interval, 0.5), JSON.stringify(found));
    assert.ok(found.nearTraining.value < 0.05 && Math.abs(found.authenticity.value - 0.5) < 0.1, JSON.stringify(found));
    assert.ok(found.duplicates.value < 0.05, JSON.stringify(found));
  });

  test('of copies names each with what it copies', () => {
    const copied = sampleOf(training.rows, 100, randomOf('copies'));
    const noise = normal('noise', 100, 16, 0, 0.01);
    const copies = takeRows(training, copied);
    const near = featuresOf(
      rowsOf(copies).map((row, i) => row.map((value, k) => value + rowsOf(noise)[i]![k]!)),
      16,
    );
    const { privacy: found, neighbours } = search(near);
    assert.deepEqual(
      neighbours.map(({ place }) => place),
      [...copied],
    );
    assert.equal(found.nearTraining.value, 1);
    assert.equal(found.nearerToTraining.value, 1);
    assert.equal(found.authenticity.value, 0);
  });

  test('of an image made twice counts both', () => {
    const once = normal('new', 60, 16);
    const twice = featuresOf([...rowsOf(once), rowsOf(once)[0]!], 16);
    const { privacy: found } = search(twice);
    assert.ok(Math.abs(found.duplicates.value - 2 / 61) < 1e-12, String(found.duplicates.value));
  });
});

test('the nearest row is what another search finds', () => {
  const [queries, base] = [unitRows(normal('q', 50, 7)), unitRows(normal('b', 80, 7))];
  const { distances, places } = nearest(queries, base);
  rowsOf(queries).forEach((query, i) => {
    const all = rowsOf(base).map((row) => 1 - row.reduce((sum, value, k) => sum + value * query[k]!, 0));
    const best = all.indexOf(Math.min(...all));
    assert.equal(places[i], best);
    assert.ok(Math.abs(distances[i]! - all[best]!) < 1e-6);
  });
});
