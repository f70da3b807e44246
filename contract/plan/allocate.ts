import { type Issue, issueAt, SpecError } from '../schema/issue.ts';
import type { Metrics } from '../schema/metrics.ts';
import type { Quota } from '../schema/spec.ts';
import { type CohortCounts, countCohort } from './cohort.ts';
import type { Row } from './columns.ts';
import { fillToLevel } from './complement.ts';
import { crowdedValues, explainConflicts } from './conflicts.ts';
import { weighDeficits } from './deficit.ts';
import { type Misses, readMisses } from './evaluation.ts';
import { buildGrid, type Cell, type Grid } from './grid.ts';
import { boundShares, largestRemainder, scaleShares } from './integers.ts';
import { fitMarginals, targetsOf } from './marginals.ts';
import { membersOf, pairSize } from './pairs.ts';
import { partialMatcher } from './partial.ts';
import { readTable, type WantedRow } from './table-strategy.ts';

/** From a quota to whole numbers per cell. */

/** The files that a quota names: rows of CSV files, and an evaluation. */
export interface QuotaInputs {
  readonly cohort?: Iterable<Row>;
  readonly table?: Iterable<Row>;
  readonly evaluation?: Metrics;
}

export interface Allocation {
  /** Only the cells that may get samples. */
  readonly grid: Grid;
  /** Real-valued share of each cell; they add up to the samples wanted. */
  readonly shares: readonly number[];
  /** Whole numbers with the same sum, each within 1 of its share. */
  readonly quotas: readonly number[];
  /** For Complement, what the real cohort has. */
  readonly cohort: CohortCounts | null;
  /** For Deficit, what the model misses. */
  readonly misses?: Misses;
  /** For Table, each cell's rows in file order. */
  readonly table: readonly (readonly WantedRow[])[] | null;
}

const FROM_FILES: ReadonlySet<string> = new Set(['Complement', 'Table', 'Deficit']);

/** Whether the whole numbers follow from the resource alone, and not from a file that it names. */
export const followsFromResource = ({ allocation }: Pick<Quota, 'allocation'>): boolean =>
  !FROM_FILES.has(allocation.strategy);

/** Shares a quota's samples among its cells. @throws SpecError when it cannot be met, with the conflict. */
export function allocate(quota: Quota, inputs: QuotaInputs = {}): Allocation {
  const grid = buildGrid(quota);
  if (grid.cells.length === 0) {
    throw new SpecError([issueAt(['spec', 'quota', 'exclude'], 'excludes every cell; remove an entry')]);
  }
  switch (quota.allocation.strategy) {
    case 'Table':
      return allocateTable(quota, grid, given(inputs.table, 'table'));
    case 'Complement':
      return allocateComplement(quota, grid, given(inputs.cohort, 'cohort'));
    case 'Deficit':
      return allocateDeficit(quota, grid, given(inputs.evaluation, 'evaluation'));
    case 'Marginals':
      return allocateWeights(quota, grid, weighMarginals(grid, quota.allocation.shares!));
    case 'Cells':
      return allocateCells(quota, grid, quota.allocation.cells!);
    case 'Balanced':
      return allocateWeights(quota, grid, new Array<number>(grid.cells.length).fill(1));
  }
}

function given<T>(content: T | undefined, name: string): T {
  if (!content) throw new TypeError(`the quota names a file (${name}) whose content is not given`);
  return content;
}

function allocateWeights(quota: Quota, grid: Grid, weights: readonly number[]): Allocation {
  checkLeast(quota, grid);
  return round(quota, grid, scaleShares(weights, quota.samples!, quota.minPerCell), null);
}

function allocateComplement(quota: Quota, grid: Grid, rows: Iterable<Row>): Allocation {
  checkLeast(quota, grid);
  const cohort = countCohort(grid, quota.allocation.cohort!.columns, rows);
  return round(quota, grid, fillToLevel(cohort.counts, quota.samples!, quota.minPerCell), cohort);
}

function allocateDeficit(quota: Quota, grid: Grid, metrics: Metrics): Allocation {
  const wanted = quota.allocation.evaluation!;
  checkLeast(quota, grid);
  checkMost(wanted.maxPerCell, quota, grid);
  const misses = readMisses(grid, wanted, metrics);
  const weights = weighDeficits(misses.cells, wanted.power);
  const shares = boundShares(weights, quota.samples!, quota.minPerCell, wanted.maxPerCell ?? quota.samples!);
  return { ...round(quota, grid, shares, null), misses };
}

function round(quota: Quota, grid: Grid, shares: readonly number[], cohort: CohortCounts | null): Allocation {
  const ids = grid.cells.map((cell) => cell.id);
  if (quota.pairs) return { grid, ...roundPairs(quota, grid, shares), cohort, table: null };
  return { grid, shares, quotas: largestRemainder(shares, quota.samples!, ids), cohort, table: null };
}

/** Whole numbers of pairs: members get the mean of what their cells would get. */
function roundPairs(quota: Quota, grid: Grid, wanted: readonly number[]): Pick<Allocation, 'shares' | 'quotas'> {
  const members = membersOf(grid, quota);
  checkEqual(quota, grid, members, wanted);
  const means = members.map((cells) => cells.reduce((sum, cell) => sum + wanted[cell]!, 0) / cells.length);
  const ids = members.map((cells) => grid.cells[cells[0]!]!.id);
  const pairs = largestRemainder(means, quota.samples! / pairSize(quota), ids);
  const [shares, quotas] = [new Array<number>(wanted.length), new Array<number>(wanted.length)];
  for (const [i, cells] of members.entries())
    for (const cell of cells) [shares[cell], quotas[cell]] = [means[i]!, pairs[i]!];
  return { shares, quotas };
}

/** Shares and weights that a person wrote may not say that members differ. @throws SpecError with the first that does */
function checkEqual(
  { allocation, pairs }: Quota,
  { cells }: Grid,
  members: number[][],
  wanted: readonly number[],
): void {
  if (allocation.strategy !== 'Marginals' && allocation.strategy !== 'Cells') return;
  for (const [first, ...others] of members) {
    // Shares may add up to 1 within a millionth.
    const tolerance =
      1e-6 *
      Math.max(
        1,
        wanted.reduce((sum, one) => sum + one, 0),
      );
    const other = others.find((cell) => Math.abs(wanted[cell]! - wanted[first!]!) > tolerance);
    if (other === undefined) continue;
    const [a, b] = [first!, other].map((cell) => `${cells[cell]!.id} ${Number(wanted[cell]!.toPrecision(6))}`);
    const fix = `give all values of ${pairs!.axis} the same ${allocation.strategy === 'Cells' ? 'weight' : 'share'}, or remove pairs`;
    const message = `members of a pair come in equal numbers, but ${a} and ${b} are wanted; ${fix}`;
    throw new SpecError([issueAt(['spec', 'quota', 'pairs', 'axis'], message)]);
  }
}

function checkLeast({ minPerCell, samples }: Quota, { cells }: Grid): void {
  const least = minPerCell * cells.length;
  if (least <= samples!) return;
  const fix = `raise samples to at least ${least}, or lower minPerCell`;
  const message = `${minPerCell} for each of ${cells.length} cells is ${least}, more than samples (${samples}); ${fix}`;
  throw new SpecError([issueAt(['spec', 'quota', 'minPerCell'], message)]);
}

function checkMost(maxPerCell: number | undefined, { samples }: Quota, { cells }: Grid): void {
  if (maxPerCell === undefined || maxPerCell * cells.length >= samples!) return;
  const most = maxPerCell * cells.length;
  const fix = `raise it to at least ${Math.ceil(samples! / cells.length)}, or lower samples`;
  const message = `${maxPerCell} for each of ${cells.length} cells is ${most}, fewer than samples (${samples}); ${fix}`;
  throw new SpecError([issueAt(['spec', 'quota', 'allocation', 'evaluation', 'maxPerCell'], message)]);
}

function weighMarginals(grid: Grid, shares: NonNullable<Quota['allocation']['shares']>): readonly number[] {
  const targets = targetsOf(grid, shares);
  const crowded = crowdedValues(grid, targets);
  if (crowded.length > 0) throw new SpecError(crowded);
  const { weights, conflicts } = fitMarginals(grid, targets);
  if (conflicts.length > 0) throw new SpecError(explainConflicts(grid, targets, conflicts));
  return weights;
}

/** Keeps the cells that `kept` names, renumbered. */
function restrict(grid: Grid, kept: (ordinal: number) => boolean): Grid {
  const cells = grid.cells.filter((cell) => kept(cell.ordinal)).map((cell, ordinal): Cell => ({ ...cell, ordinal }));
  return { ...grid, cells };
}

function allocateCells(quota: Quota, grid: Grid, entries: NonNullable<Quota['allocation']['cells']>): Allocation {
  const path = ['spec', 'quota', 'allocation', 'cells'];
  const matching = partialMatcher(
    grid.axes,
    entries.map((entry) => entry.cell),
  );
  const used = new Set<number>();
  const again = new Map<number, Issue>();
  const weights = grid.cells.map(({ id, values }) => {
    const entriesHere = matching(values);
    const [first, second] = entriesHere;
    for (const i of entriesHere) used.add(i);
    if (second !== undefined && !again.has(second)) {
      const message = `weighs ${id} again, after cells[${first}]; name each cell once`;
      again.set(second, issueAt([...path, second, 'cell'], message));
    }
    return first === undefined ? null : entries[first]!.weight;
  });
  const issues = [...again.values()];
  entries.forEach((_, i) => {
    if (used.has(i)) return;
    issues.push(issueAt([...path, i, 'cell'], 'names no allowed cell; remove it or the exclusion'));
  });
  if (issues.length === 0 && !weights.some((weight) => weight !== null && weight > 0)) {
    issues.push(issueAt(path, 'gives no cell a weight above 0; raise one'));
  }
  if (issues.length > 0) throw new SpecError(issues);
  const named = restrict(grid, (ordinal) => weights[ordinal] !== null);
  return allocateWeights(
    quota,
    named,
    weights.filter((weight) => weight !== null),
  );
}

function allocateTable(quota: Quota, grid: Grid, rows: Iterable<Row>): Allocation {
  const byCell = readTable(grid, quota.allocation.table!, rows);
  const table = byCell.filter((list) => list.length > 0);
  const quotas = table.map((list) => list.length);
  const total = quotas.reduce((sum, n) => sum + n, 0);
  if (quota.samples !== undefined && quota.samples !== total) {
    const message = `${quota.samples} is not the number of rows of the table (${total}); remove it`;
    throw new SpecError([issueAt(['spec', 'quota', 'samples'], message)]);
  }
  const used = restrict(grid, (ordinal) => byCell[ordinal]!.length > 0);
  return { grid: used, shares: quotas, quotas, cohort: null, table };
}
