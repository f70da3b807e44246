import type { Estimate } from '../../contract/schema/evidence.ts';
import type { Features } from './features.ts';
import { bootstrap } from './interval.ts';
import { type Random, shuffled } from './random.ts';
import { solvePositive, weightedSquares } from './symmetric.ts';

/** Whether a classifier separates real from synthetic images by their features: 0.5 when it cannot, 1 when it always does. */

const FOLDS = 5;
/** Weight of the penalty: the squares of the weights are added to the loss as scikit-learn's LogisticRegression does with C = 1. */
const PENALTY = 1;
const MAX_STEPS = 25;

/** The area under the ROC curve of a logistic regression that never scores an image that it was fitted to. */
export function separability(real: Features, synthetic: Features, random: Random): Estimate {
  const scores = crossFitted(real, synthetic, random);
  const isReal = Uint8Array.from({ length: scores.length }, (_, i) => Number(i < real.rows));
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const area = (times: Uint32Array): number => aucOf(scores, isReal, order, times);
  return {
    value: area(new Uint32Array(scores.length).fill(1)),
    interval: bootstrap(scores.length, random, area),
  };
}

/** Scores of the real and then of the synthetic images, each from a regression on the other folds. */
function crossFitted(real: Features, synthetic: Features, random: Random): Float64Array {
  const folds = [...foldsOf(real.rows, random), ...foldsOf(synthetic.rows, random)];
  const row = (i: number): Float32Array => {
    const [of, at] = i < real.rows ? [real, i] : [synthetic, i - real.rows];
    return of.values.subarray(at * of.dimensions, (at + 1) * of.dimensions);
  };
  const scores = new Float64Array(folds.length);
  for (let fold = 0; fold < FOLDS; fold++) {
    const known = folds.flatMap((f, i) => (f === fold ? [] : [i]));
    const { center, spread } = scaleOf(known.map(row), real.dimensions);
    const scaled = (i: number): number[] => [...row(i)].map((value, k) => (value - center[k]!) / spread[k]!);
    const weights = fitLogistic(
      known.map(scaled),
      known.map((i) => Number(i < real.rows)),
    );
    folds.forEach((f, i) => {
      if (f === fold) scores[i] = linear(weights, scaled(i));
    });
  }
  return scores;
}

function foldsOf(rows: number, random: Random): number[] {
  const folds = new Array<number>(rows);
  for (const [i, row] of shuffled(rows, random).entries()) folds[row] = i % FOLDS;
  return folds;
}

function scaleOf(rows: readonly Float32Array[], dimensions: number) {
  const [center, squares] = [new Float64Array(dimensions), new Float64Array(dimensions)];
  for (const row of rows) for (let k = 0; k < dimensions; k++) center[k]! += row[k]! / rows.length;
  for (const row of rows) for (let k = 0; k < dimensions; k++) squares[k]! += (row[k]! - center[k]!) ** 2 / rows.length;
  return { center, spread: squares.map((value) => Math.sqrt(value) || 1) };
}

/** Score of a row: the last weight is the intercept. */
function linear(weights: readonly number[], row: readonly number[]): number {
  let sum = weights.at(-1)!;
  for (let k = 0; k < row.length; k++) sum += weights[k]! * row[k]!;
  return sum;
}

/** Logistic regression by Newton's method, with half steps where a whole one would raise the loss. The intercept is not penalised. */
export function fitLogistic(rows: readonly (readonly number[])[], isOne: readonly number[]): number[] {
  const size = rows[0]!.length + 1;
  let weights = new Array<number>(size).fill(0);
  let loss = lossOf(weights, rows, isOne);
  for (let step = 0; step < MAX_STEPS; step++) {
    const direction = newtonStep(weights, rows, isOne);
    let share = 1;
    let next = weights;
    let lower = loss;
    for (; share > 1e-4; share /= 2) {
      next = weights.map((weight, k) => weight - share * direction[k]!);
      lower = lossOf(next, rows, isOne);
      if (lower <= loss) break;
    }
    if (loss - lower < 1e-9 * loss) break;
    [weights, loss] = [next, lower];
  }
  return weights;
}

function lossOf(weights: readonly number[], rows: readonly (readonly number[])[], isOne: readonly number[]): number {
  const penalty = weights.slice(0, -1).reduce((sum, weight) => sum + weight * weight, 0);
  return rows.reduce(
    (sum, row, i) => {
      const score = linear(weights, row) * (isOne[i] ? -1 : 1);
      return sum + Math.max(0, score) + Math.log1p(Math.exp(-Math.abs(score)));
    },
    (PENALTY / 2) * penalty,
  );
}

/** The inverse of the loss's second derivative times its first. */
function newtonStep(
  weights: readonly number[],
  rows: readonly (readonly number[])[],
  isOne: readonly number[],
): number[] {
  const size = weights.length;
  const gradient = weights.map((weight, k) => (k < size - 1 ? PENALTY * weight : 0));
  const values = new Float64Array(rows.length * size);
  const curvatures = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    const probability = 1 / (1 + Math.exp(-linear(weights, row)));
    curvatures[i] = probability * (1 - probability);
    const error = probability - isOne[i]!;
    for (let k = 0; k < size; k++) {
      const value = row[k] ?? 1;
      values[i * size + k] = value;
      gradient[k]! += error * value;
    }
  });
  const curvature = weightedSquares({ rows: rows.length, dimensions: size, values, weights: curvatures });
  for (let k = 0; k < size; k++) curvature.values[k * size + k]! += (k < size - 1 ? PENALTY : 0) + 1e-10;
  return solvePositive(curvature, gradient);
}

/** The share of pairs of a real and a synthetic image in which the real one scores higher; ties count half. */
function aucOf(scores: Float64Array, isReal: Uint8Array, order: Uint32Array, times: Uint32Array): number {
  let [below, higher, real] = [0, 0, 0];
  for (let i = 0; i < order.length; ) {
    let [tiedReal, tiedSynthetic] = [0, 0];
    const score = scores[order[i]!]!;
    for (; i < order.length && scores[order[i]!] === score; i++) {
      if (isReal[order[i]!]) tiedReal += times[order[i]!]!;
      else tiedSynthetic += times[order[i]!]!;
    }
    higher += tiedReal * (below + tiedSynthetic / 2);
    below += tiedSynthetic;
    real += tiedReal;
  }
  return higher / (real * below);
}
