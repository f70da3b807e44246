import type { Table } from './table.ts';

/**
 * Newton's method for raking. The table that is sought has the form w = exp(sum of one number per marginal); those numbers
 * minimise sum(w) - targets · numbers, whose gradient is marginals - targets and whose Hessian is the table of pairs of
 * marginals. The linear system is solved by conjugate gradients (Hestenes and Stiefel 1952) with the Hessian's diagonal as
 * preconditioner, so that nothing larger than the table itself is held.
 */

/** Largest change of a marginal's number in one step. */
const LONGEST = 1;
const ITERATIONS = 100;
/** Residual, as part of the first one, at which the system counts as solved. */
const SOLVED = 1e-8;

/** The factor of each marginal for one step from a table towards its targets. */
export function newtonStep(table: Table): Float64Array {
  const sums = table.sums();
  const step = solve(
    (x) => hessian(table, x),
    sums,
    table.targets.map((target, n) => target - sums[n]!),
  );
  const longest = step.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = longest > LONGEST ? LONGEST / longest : 1;
  // (2 + x) / (2 - x) is exp(x) to third order, and unlike Math.exp the same to the last bit on every machine.
  return step.map((x) => (2 + scale * x) / (2 - scale * x));
}

/** The Hessian times x. */
function hessian(table: Table, x: Float64Array): Float64Array {
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
