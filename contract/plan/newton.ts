import type { ContingencyTable } from './contingency-table.ts';

/**
 * Newton's method for raking. The table that is sought has the form w = exp(sum of one number per marginal); those numbers
 * minimise sum(w) - targets · numbers, whose gradient is marginals - targets and whose Hessian is the table of pairs of
 * marginals. The linear system is solved by conjugate gradients (Hestenes and Stiefel 1952) with the Hessian's diagonal as
 * preconditioner, so that nothing larger than the table itself is held.
 */

/** Largest change of a marginal's number in one step, and the shortest part of a step that is tried. */
const LONGEST = 1;
const SHORTEST = 1 / 1024;
/** The share of its initial slope that a step may climb beyond the lowest point. */
const OVERSHOOT = 0.1;
const ITERATIONS = 100;
/**
 * Residual, as part of the first one, at which the system counts as solved. Much less would be noise near the end of a fit,
 * and noise has parts that the Hessian, which is singular, cannot explain.
 */
const SOLVED = 1e-4;

/** Moves a table towards its targets, in place. */
export function takeNewtonStep(table: ContingencyTable): void {
  const gaps = (): Float64Array => table.sums().map((sum, n) => table.targets[n]! - sum);
  const gap = gaps();
  const step = solve((x) => hessian(table, x), table.sums(), gap);
  const slope = dot(gap, step);
  const longest = step.reduce((most, x) => Math.max(most, Math.abs(x)), LONGEST);
  const before = table.weights.slice();
  for (let length = LONGEST / longest; slope > 0 && length >= SHORTEST; length /= 2) {
    // (2 + x) / (2 - x) is exp(x) to third order, and unlike Math.exp the same to the last bit on every machine.
    table.scale(step.map((x) => (2 + length * x) / (2 - length * x)));
    if (dot(gaps(), step) >= -OVERSHOOT * slope) return;
    table.weights.set(before);
  }
}

/** The Hessian times x. */
function hessian(table: ContingencyTable, x: Float64Array): Float64Array {
  const perCell = table.weights.map((weight, i) => {
    let sum = 0;
    for (const axis of table.positions) sum += x[axis[i]!]!;
    return weight * sum;
  });
  return table.sums(perCell);
}

function solve(multiply: (x: Float64Array) => Float64Array, diagonal: Float64Array, right: Float64Array): Float64Array {
  const precondition = (r: Float64Array): Float64Array => r.map((x, n) => (diagonal[n]! > 0 ? x / diagonal[n]! : 0));
  const x = new Float64Array(right.length);
  const residual = right.slice();
  let z = precondition(residual);
  let direction = z.slice();
  let size = dot(residual, z);
  const enough = size * SOLVED ** 2;
  for (let i = 0; i < ITERATIONS && size > enough; i++) {
    const image = multiply(direction);
    const curvature = dot(direction, image);
    if (!(curvature > 0)) break;
    const length = size / curvature;
    for (let n = 0; n < x.length; n++) {
      x[n]! += length * direction[n]!;
      residual[n]! -= length * image[n]!;
    }
    z = precondition(residual);
    const next = dot(residual, z);
    direction = direction.map((d, n) => z[n]! + (next / size) * d);
    size = next;
  }
  return x;
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, n) => sum + value * b[n]!, 0);
