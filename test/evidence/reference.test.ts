import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { before, describe, test } from 'node:test';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { diversity } from '../../dataset/evidence/diversity.ts';
import {
  type Features,
  featuresOf,
  ownProducts,
  products,
  rowOf,
  squaredDistances,
} from '../../dataset/evidence/features.ts';
import { frechet } from '../../dataset/evidence/frechet.ts';
import { kernelDistance } from '../../dataset/evidence/kernel.ts';
import { manifold } from '../../dataset/evidence/manifold.ts';
import { randomOf } from '../../dataset/evidence/random.ts';
import { fitLogistic } from '../../dataset/evidence/separability.ts';
import { missingPython } from '../support/venv.ts';

/** Our figures are those of the packages that papers use, on the same features. */

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');

const python = () =>
  virtualPython({
    name: 'evidence',
    requirements: [REQUIREMENTS],
    installs: [() => ['--no-deps', '-r', REQUIREMENTS]],
    base: TRAINER_ENVIRONMENT,
  });

/** Skewed features whose dimensions depend on one another, as those of networks do. */
function skewed(key: string, rows: number, dimensions: number, shift: number): Features {
  const random = randomOf(key);
  const vectors = Array.from({ length: rows }, () => {
    const shared = random() + shift;
    return Float32Array.from({ length: dimensions }, (_, k) => Math.max(0, shared * (k % 5) + 2 * random() - random()));
  });
  return featuresOf(vectors, dimensions);
}

const listOf = (features: Features): number[][] =>
  Array.from({ length: features.rows }, (_, i) => [...rowOf(features, i)]);

interface Figures {
  readonly cleanFid: number;
  readonly torchFidelityFid: number;
  readonly torchFidelityKid: number;
  readonly prdc: Readonly<Record<'precision' | 'recall' | 'density' | 'coverage', number>>;
  readonly vendi: number;
  readonly logistic: readonly number[];
}

const near = (ours: number, theirs: number, relative = 1e-6): void =>
  assert.ok(Math.abs(ours - theirs) <= relative * Math.max(1e-3, Math.abs(theirs)), `${ours} is not ${theirs}`);

describe('figures of the packages', { skip: await missingPython() }, () => {
  const real = skewed('real', 400, 24, 0);
  // As many, since torch-fidelity's kernel distance takes no others.
  const synthetic = skewed('synthetic', 400, 24, 0.2);
  const rows = [...listOf(real), ...listOf(synthetic)];
  const isOne = rows.map((_, i) => Number(i < real.rows));
  let theirs: Figures;

  before(async () => {
    const given = { real: listOf(real), synthetic: listOf(synthetic), logistic: { rows, isOne, scored: rows } };
    const child = spawn(await python(), [join(import.meta.dirname, 'reference.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify(given));
    theirs = (await json(child.stdout)) as Figures;
  });

  test('FID is that of clean-fid and torch-fidelity', () => {
    const { fid } = frechet(real, synthetic, randomOf('x'));
    near(fid, theirs.cleanFid);
    near(fid, theirs.torchFidelityFid);
  });

  const tables = { aa: products(real, real), bb: products(synthetic, synthetic), ab: products(real, synthetic) };

  test('KID is that of torch-fidelity', () => {
    near(kernelDistance(tables, real.dimensions, randomOf('x')).value, theirs.torchFidelityKid);
  });

  test('precision, recall, density and coverage are those of prdc', () => {
    const [own, others] = [ownProducts(real), ownProducts(synthetic)];
    const distances = {
      realToReal: squaredDistances(tables.aa, own, own),
      syntheticToSynthetic: squaredDistances(tables.bb, others, others),
      realToSynthetic: squaredDistances(tables.ab, own, others),
    };
    const ours = manifold(distances, randomOf('x'));
    for (const name of ['precision', 'recall', 'density', 'coverage'] as const)
      near(ours[name].value, theirs.prdc[name]);
    assert.ok(ours.precision.value > 0.2 && ours.precision.value < 1, JSON.stringify(ours));
  });

  test('the Vendi score is that of vendi-score', () => {
    near(diversity(synthetic, randomOf('x')).vendi, theirs.vendi);
  });

  test('the classifier is the logistic regression of scikit-learn', () => {
    const weights = fitLogistic(rows, isOne);
    rows.forEach((row, i) => {
      const score = row.reduce((sum, value, k) => sum + weights[k]! * value, weights.at(-1)!);
      assert.ok(Math.abs(score - theirs.logistic[i]!) < 1e-4, `${score} is not ${theirs.logistic[i]}`);
    });
  });
});
