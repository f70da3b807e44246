import type { Grid } from '../../browse/parts/sums.ts';
import type { GateView } from '../../browse/wire.ts';
import { type Counts, totals } from '../../contract/account/tally.ts';
import { gateRule } from '../../contract/gates/gate-types.ts';
import { DEGENERATE, DEGENERATE_RULE, PAIR, PAIR_RULE } from '../../contract/names.ts';
import { plannedGates } from '../../contract/plan/identity.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { Draft } from './manifest.ts';

/** Sums over a manifest's cells. */

/** Cells by their axis values. */
interface AxesOf {
  readonly cells: readonly { readonly axes: Readonly<Record<string, string>> }[];
}

/** The axes with their values, in order of the grid; values of which no cell is left do not appear. */
export function axesOf({ cells }: AxesOf): { name: string; values: string[] }[] {
  return Object.keys(cells[0]?.axes ?? {}).map((name) => ({
    name,
    values: [...new Set(cells.map((cell) => cell.axes[name]!))].sort(compareValues),
  }));
}

/** Bins by number, names by code unit, as the grid sorts them. */
function compareValues(a: string, b: string): number {
  const [low, high] = [Number.parseInt(a, 10), Number.parseInt(b, 10)];
  const bins = /^\d+-\d+$/.test(a) && /^\d+-\d+$/.test(b);
  return (bins ? low - high : 0) || (a < b ? -1 : a > b ? 1 : 0);
}

/** A cell with the values of its axes. */
interface CellOf {
  readonly axes: Readonly<Record<string, string>>;
  readonly wanted: number;
}

/** Cells and their counts as columns, as the page and the report add them up; a cell without counts has none yet. */
export function gridOf(cells: readonly CellOf[], countsAt: (cell: number) => Counts | undefined): Grid {
  const counts = cells.map((_, cell) => countsAt(cell));
  const rejected = counts.map((one) => new Map(Object.entries(one?.rejected ?? {})));
  const gates = new Set(rejected.flatMap((by) => [...by.keys()]));
  return {
    axes: axesOf({ cells }).map(({ name, values }) => {
      const positions = new Map(values.map((value, i) => [value, i]));
      return { name, values, ofCell: cells.map(({ axes }) => positions.get(axes[name]!)!) };
    }),
    cells: {
      wanted: cells.map(({ wanted }) => wanted),
      accepted: counts.map((one) => one?.accepted ?? 0),
      exhausted: counts.map((one) => one?.exhausted ?? 0),
      attempts: counts.map((one) => one?.attempts ?? 0),
      rejected: Object.fromEntries([...gates].map((gate) => [gate, rejected.map((by) => by.get(gate) ?? 0)])),
    },
  };
}

/** The rule by which the worker itself rejects an image, by the name under which that is counted. */
export const workerRule = (name: string): string => (name === PAIR ? PAIR_RULE : DEGENERATE_RULE);

/** The gates with their rules; last, what the worker rejects by itself. */
export function gateViews({ dataset, plan }: Pick<Draft, 'dataset'> & Partial<Pick<Draft, 'plan'>>): GateView[] {
  const gates = plannedGates(dataset.spec.quality.gates, plan).map(({ gate }) => ({
    name: gate.name,
    axis: gate.axis ?? null,
    rule: gate.appliesTo ? `${gateRule(gate)}; only ${gate.appliesTo.join(', ')}` : gateRule(gate),
  }));
  const others = [DEGENERATE, ...(dataset.spec.quota.pairs ? [PAIR] : [])];
  return [...gates, ...others.map((name) => ({ name, axis: null, rule: workerRule(name) }))];
}

/** The sum for each value of each axis. */
export function byAxisValue(draft: Pick<Draft, 'cells'>): (Required<Counts> & { axis: string; value: string })[] {
  return axesOf(draft).flatMap(({ name, values }) => {
    const groups = Map.groupBy(draft.cells, (cell) => cell.axes[name]!);
    return values.map((value) => ({ axis: name, value, ...totals(groups.get(value)!) }));
  });
}

export interface GateSum {
  readonly name: string;
  /** Null for what the worker rejects by itself, such as a degenerate image. */
  readonly gate: Manifest['dataset']['spec']['quality']['gates'][number] | null;
  readonly rejected: number;
}

/** Rejections by gate, gates without any included. */
export function rejectedBy({ rejected, dataset, plan }: Pick<Draft, 'rejected' | 'dataset' | 'plan'>): GateSum[] {
  const counts = new Map(Object.entries(rejected));
  const gates = plannedGates(dataset.spec.quality.gates, plan).map(({ gate }) => ({
    name: gate.name,
    gate,
    rejected: counts.get(gate.name) ?? 0,
  }));
  const others = [...counts]
    .filter(([name]) => !gates.some((gate) => gate.name === name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return [...gates, ...others.map(([name, n]) => ({ name, gate: null, rejected: n }))];
}
