import { h } from 'preact';
import { grouped, percent } from '../../contract/format.ts';
import type { GateView } from '../wire.ts';
import { bar, type Content, type Markup, numbers, quiet, scroll, table } from './elements.ts';
import { type Grid, hardestValue, rejectors, sumOf, valuesOf } from './sums.ts';

/** The tables of gates and of cells, from the counts of cells. */

export function gateTable(grid: Grid, cells: readonly number[], gates: readonly GateView[]): Markup {
  const { attempts, rejected } = sumOf(grid, cells);
  const rows = gates.map(({ name, axis, rule }) => {
    const n = rejected.get(name) ?? 0;
    const hardest = axis === null ? null : hardestValue(grid, cells, { name, axis });
    const share = hardest && `${hardest.value} (${percent(hardest.rejected, hardest.attempts)} of its attempts)`;
    return [name, rule, grouped(n), percent(n, attempts), share ?? '–'];
  });
  return scroll(
    'Table of gates',
    table({
      caption: 'An image counts under the first gate that rejected it.',
      columns: [
        { name: 'Gate' },
        { name: 'Passes when', class: 'rule' },
        numbers('Rejected'),
        numbers('Of attempts'),
        { name: 'Hardest value', class: 'hardest' },
      ],
      rows,
    }),
  );
}

export interface CellTableProps {
  readonly caption: string;
  /** The columns that name a cell; by default one for each axis. */
  readonly heads?: readonly string[];
  readonly names?: (values: Readonly<Record<string, string>>) => readonly Content[];
}

export function cellTable(grid: Grid, cells: readonly number[], props: CellTableProps): Markup {
  const { caption, heads = grid.axes.map(({ name }) => name), names = (values) => Object.values(values) } = props;
  const { wanted, accepted, exhausted, attempts } = grid.cells;
  const rows = cells.map((cell) => [
    ...names(valuesOf(grid, cell)),
    [
      grouped(accepted[cell]!),
      accepted[cell]! < wanted[cell]! &&
        h('span', exhausted[cell]! > 0 ? { class: 'short' } : null, ` of ${grouped(wanted[cell]!)}`),
    ],
    grouped(attempts[cell]!),
    h('b', null, percent(accepted[cell]!, attempts[cell]!)),
    bar(accepted[cell]! / Math.max(1, attempts[cell]!), 'accepted'),
    rejectors(grid, cell)
      .map(([gate, n]) => `${gate} ${grouped(n)}`)
      .join(', ') || '–',
  ]);
  const columns = [
    ...heads.map((name) => ({ name })),
    numbers('Images'),
    numbers('Attempts'),
    numbers('Acceptance'),
    { name: quiet('Meter'), class: 'meter' },
    { name: 'Rejected by' },
  ];
  return scroll(caption, table({ caption, class: 'cells', columns, rows }));
}
