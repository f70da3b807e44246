import { type Issue, SpecError } from '../schema/issue.ts';
import type { Quota } from '../schema/spec.ts';
import { fillToLevel } from './complement.ts';
import { buildGrid, type Cell, countCombinations, type Grid, MAX_CELLS, matches } from './grid.ts';
import { largestRemainder, scaleShares } from './integers.ts';
import { fitMarginals, type Marginal } from './marginals.ts';
import { type CohortCounts, countCohort, type Row, readTable, type WantedRow } from './rows.ts';

/** From a quota to whole numbers per cell. */

/** The rows of the CSV files that a quota names. */
export interface QuotaInputs {
  readonly cohort?: Iterable<Row>;
  readonly table?: Iterable<Row>;
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
  /** For Table, each cell's rows in file order. */
  readonly table: readonly (readonly WantedRow[])[] | null;
}

/** Shares a quota's samples among its cells. @throws SpecError when it cannot be met, with the conflict. */
export function allocate(quota: Quota, inputs: QuotaInputs = {}): Allocation {
  const combinations = countCombinations(quota.axes);
  if (combinations > MAX_CELLS) {
    fail('spec.quota.axes', `have ${combinations} combinations; the most is ${MAX_CELLS}: use fewer or coarser axes`);
  }
  const whole = buildGrid(quota);
  if (whole.cells.length === 0) fail('spec.quota.exclude', 'excludes every cell; remove an entry');
  if (quota.allocation.strategy === 'Table') return allocateTable(quota, whole, inputs.table!);
  const { grid, weights, cohort } = weigh(quota, whole, inputs);
  const samples = quota.samples!;
  const least = quota.minPerCell * grid.cells.length;
  if (least > samples) {
    const fix = `raise samples to at least ${least}, or lower minPerCell`;
    fail(
      'spec.quota.minPerCell',
      `${quota.minPerCell} for each of ${grid.cells.length} cells is ${least}, more than samples (${samples}); ${fix}`,
    );
  }
  const shares = scaleShares(weights, samples, quota.minPerCell);
  const quotas = largestRemainder(
    shares,
    samples,
    grid.cells.map((cell) => cell.id),
  );
  return { grid, shares, quotas, cohort, table: null };
}

function fail(path: string, message: string): never {
  throw new SpecError([{ path, message }]);
}

interface Weighed {
  readonly grid: Grid;
  readonly weights: readonly number[];
  readonly cohort: CohortCounts | null;
}

function weigh(quota: Quota, grid: Grid, inputs: QuotaInputs): Weighed {
  const { strategy, shares, cells, cohort } = quota.allocation;
  switch (strategy) {
    case 'Marginals': {
      const fit = fitMarginals(grid, shares!);
      if (fit.conflicts.length > 0) throw new SpecError(explainConflicts(grid, fit.conflicts));
      return { grid, weights: fit.weights, cohort: null };
    }
    case 'Cells':
      return { ...weighCells(grid, cells!), cohort: null };
    case 'Complement': {
      const counted = countCohort(grid, cohort!.columns, inputs.cohort!);
      return { grid, weights: fillToLevel(counted.counts, quota.samples!), cohort: counted };
    }
    default:
      return { grid, weights: grid.cells.map(() => 1), cohort: null };
  }
}

/** Keeps the cells that `kept` names, numbered anew. */
function restrict(grid: Grid, kept: ReadonlySet<number>): Grid {
  const cells = grid.cells
    .filter((cell) => kept.has(cell.ordinal))
    .map((cell, ordinal): Cell => ({ ...cell, ordinal }));
  return { ...grid, cells };
}

function weighCells(grid: Grid, entries: NonNullable<Quota['allocation']['cells']>): Pick<Weighed, 'grid' | 'weights'> {
  const path = 'spec.quota.allocation.cells';
  const weightOf = new Map<number, { weight: number; entry: number }>();
  const issues: Issue[] = [];
  entries.forEach((entry, i) => {
    const named = grid.cells.filter((cell) => matches(grid.axes, cell.values, entry.cell));
    if (named.length === 0)
      issues.push({ path: `${path}[${i}].cell`, message: 'names no allowed cell; remove it or the exclusion' });
    for (const cell of named) {
      const earlier = weightOf.get(cell.ordinal);
      if (earlier) {
        issues.push({
          path: `${path}[${i}].cell`,
          message: `weighs ${cell.id} again, after cells[${earlier.entry}]; name each cell once`,
        });
        break;
      }
      weightOf.set(cell.ordinal, { weight: entry.weight, entry: i });
    }
  });
  if (issues.length === 0 && ![...weightOf.values()].some(({ weight }) => weight > 0)) {
    issues.push({ path, message: 'gives no cell a weight above 0' });
  }
  if (issues.length > 0) throw new SpecError(issues);
  const restricted = restrict(grid, new Set(weightOf.keys()));
  const weights = grid.cells.flatMap((cell) => weightOf.get(cell.ordinal)?.weight ?? []);
  return { grid: restricted, weights };
}

function allocateTable(quota: Quota, grid: Grid, rows: Iterable<Row>): Allocation {
  const wanted = readTable(grid, quota.allocation.table!, rows);
  if (quota.samples !== undefined && quota.samples !== wanted.length) {
    fail('spec.quota.samples', `${quota.samples} is not the number of rows of the table (${wanted.length}); remove it`);
  }
  const used = restrict(grid, new Set(wanted.map((row) => row.cell)));
  const position = new Map(used.cells.map((cell) => [cell.id, cell.ordinal]));
  const table: WantedRow[][] = used.cells.map(() => []);
  for (const row of wanted) table[position.get(grid.cells[row.cell]!.id)!]!.push(row);
  const quotas = table.map((list) => list.length);
  return { grid: used, shares: quotas, quotas, cohort: null, table };
}

const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;

/** Names what stands in a marginal's way: the partners that exclusions leave it, and what those may take. */
function explainConflicts(grid: Grid, conflicts: readonly Marginal[]): Issue[] {
  const field = 'spec.quota.allocation.shares';
  return conflicts.map(({ axis, value, wanted, reached }) => {
    const k = grid.axes.findIndex(({ name }) => name === axis);
    const cells = grid.cells.filter((cell) => cell.values[k] === value);
    const path = `${field}.${axis}["${value}"]`;
    if (cells.length === 0)
      return { path, message: `${percent(wanted)} is wanted, but spec.quota.exclude leaves no cell; set it to 0` };
    const limits = grid.axes.flatMap((other, o) => {
      const partners = new Set(cells.map((cell) => cell.values[o]!));
      return o !== k && partners.size < other.values.length
        ? [`only with ${other.name} ${[...partners].join(', ')}`]
        : [];
    });
    const why =
      limits.length > 0
        ? `exclusions allow it ${limits.join(' and ')}`
        : 'the other shares and exclusions leave it no room';
    return {
      path,
      message: `${percent(wanted)} is wanted, but at most about ${percent(reached)} fits: ${why}; change the shares or the exclusions`,
    };
  });
}
