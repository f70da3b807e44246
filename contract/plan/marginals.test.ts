import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildGrid, type Grid } from './grid.ts';
import { fitMarginals, type Shares, targetsOf } from './marginals.ts';

const fit = (grid: Grid, shares: Shares) => fitMarginals(grid, targetsOf(grid, shares));

const square = (exclude: Record<string, string>[] = []): Grid =>
  buildGrid({ axes: { a: { values: ['1', '2'] }, b: { values: ['1', '2'] } }, exclude });

test('by hand: without exclusions the joint shares are products', () => {
  const { weights, conflicts } = fit(square(), { a: { 1: 0.25, 2: 0.75 }, b: { 1: 0.5, 2: 0.5 } });
  assert.deepEqual(weights, [0.125, 0.125, 0.375, 0.375]);
  assert.deepEqual(conflicts, []);
});

test('by hand: with one cell excluded the marginals leave one table', () => {
  // a=1 fits only with b=1, so that gets 0.3, and the rest follows.
  const { weights } = fit(square([{ a: '1', b: '2' }]), { a: { 1: 0.3, 2: 0.7 }, b: { 1: 0.5, 2: 0.5 } });
  assert.ok([0.3, 0.2, 0.5].every((weight, i) => Math.abs(weights[i]! - weight) < 1e-12));
});

test('a cell that the marginals force to zero goes to zero, fast', () => {
  const { weights, conflicts } = fit(square([{ a: '1', b: '2' }]), {});
  assert.deepEqual(conflicts, []);
  assert.ok(Math.abs(weights[0]! - 0.5) < 1e-9 && weights[1]! < 1e-9);
});

test('feasible by a hair and infeasible by a hair are told apart', () => {
  const grid = square([{ a: '1', b: '2' }]);
  assert.deepEqual(fit(grid, { a: { 1: 0.5, 2: 0.5 }, b: { 1: 0.500001, 2: 0.499999 } }).conflicts, []);
  const { conflicts } = fit(grid, { a: { 1: 0.5, 2: 0.5 }, b: { 1: 0.49999, 2: 0.50001 } });
  assert.deepEqual(
    conflicts.map(({ axis, value, wanted }) => [axis, value, wanted]),
    [
      ['a', '1', 0.5],
      ['a', '2', 0.5],
    ],
  );
});

test('a share of 0 empties its cells', () => {
  const { weights } = fit(square(), { a: { 1: 0, 2: 1 } });
  assert.deepEqual(weights, [0, 0, 0.5, 0.5]);
});

test('shares that are rounded to six digits are taken as what they stand for', () => {
  const grid = buildGrid({ axes: { a: { values: ['1', '2', '3'] }, b: { values: ['1', '2'] } }, exclude: [] });
  const { weights, conflicts } = fit(grid, { a: { 1: 0.333333, 2: 0.333333, 3: 0.333333 } });
  assert.deepEqual(conflicts, []);
  for (const weight of weights) assert.ok(Math.abs(weight - 1 / 6) < 1e-12);
});

interface Puzzle {
  readonly grid: Grid;
  /** A table that exists, with zeros here and there. */
  readonly truth: readonly number[];
}

/** Grids with random exclusions, and a random table on their cells: its marginals are feasible by construction. */
const puzzle = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.array(fc.option(fc.nat(4)), { minLength: 4, maxLength: 4 }), { maxLength: 10 }),
    fc.infiniteStream(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 }))),
  )
  .map(([sizes, holes, stream]): Puzzle | null => {
    const axes = Object.fromEntries(
      sizes.map((size, k) => [`x${k}`, { values: Array.from({ length: size }, (_, v) => `v${v}`) }]),
    );
    const exclude = holes
      .map((hole) =>
        Object.fromEntries(sizes.flatMap((size, k) => (hole[k] == null ? [] : [[`x${k}`, `v${hole[k] % size}`]]))),
      )
      .filter((cell) => Object.keys(cell).length > 1);
    const grid = buildGrid({ axes, exclude });
    const truth = grid.cells.map(() => stream.next().value as number);
    return truth.some((weight) => weight > 0) ? { grid, truth } : null;
  })
  .filter((candidate) => candidate !== null);

function marginals(grid: Grid, table: readonly number[]): Record<string, Record<string, number>> {
  const total = table.reduce((sum, weight) => sum + weight, 0);
  return Object.fromEntries(
    grid.axes.map((axis, k) => {
      const share = (value: string): number =>
        grid.cells.reduce((sum, cell, i) => sum + (cell.values[k] === value ? table[i]! : 0), 0) / total;
      return [axis.name, Object.fromEntries(axis.values.map((value) => [value, share(value)]))];
    }),
  );
}

test('marginals that some table has are met, forced zeros and all', () => {
  fc.assert(
    fc.property(puzzle, ({ grid, truth }) => {
      const shares = marginals(grid, truth);
      const { weights, conflicts } = fit(grid, shares);
      assert.deepEqual(conflicts, []);
      assert.ok(weights.every((weight) => weight >= 0));
      const reached = marginals(grid, weights);
      for (const [axis, byValue] of Object.entries(shares)) {
        for (const [value, share] of Object.entries(byValue)) {
          assert.ok(Math.abs(reached[axis]![value]! - share) < 1e-9, `${axis} ${value}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('the table is the one that plain proportional fitting tends to', () => {
  fc.assert(
    fc.property(puzzle, ({ grid, truth }) => {
      const positive = truth.map((weight) => weight + 50);
      const shares = marginals(grid, positive);
      const expected = fitPlainly(grid, shares);
      assert.ok(fit(grid, shares).weights.every((weight, i) => Math.abs(weight - expected[i]!) < 1e-9));
    }),
    { numRuns: 100 },
  );
});

function fitPlainly(grid: Grid, shares: Shares): number[] {
  let table = grid.cells.map(() => 1 / grid.cells.length);
  for (let sweep = 0; sweep < 2000; sweep++) {
    grid.axes.forEach((axis, k) => {
      const now = marginals(grid, table)[axis.name]!;
      table = table.map((weight, i) => {
        const value = grid.cells[i]!.values[k]!;
        return now[value]! > 0 ? (weight * shares[axis.name]![value]!) / now[value]! : weight;
      });
    });
    if (sweep > 50 && sweep % 50 === 0) {
      const now = marginals(grid, table);
      const off = grid.axes.flatMap(({ name, values }) =>
        values.map((v) => Math.abs(now[name]![v]! - shares[name]![v]!)),
      );
      if (Math.max(...off) < 1e-13) break;
    }
  }
  return table;
}
