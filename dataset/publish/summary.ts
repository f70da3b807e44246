import { type Counts, totals } from '../../contract/account/tally.ts';
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
export function rejectedBy({ rejected, dataset }: Pick<Draft, 'rejected' | 'dataset'>): GateSum[] {
  const counts = new Map(Object.entries(rejected));
  const gates = dataset.spec.quality.gates.map((gate) => ({
    name: gate.name,
    gate,
    rejected: counts.get(gate.name) ?? 0,
  }));
  const others = [...counts]
    .filter(([name]) => !gates.some((gate) => gate.name === name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return [...gates, ...others.map(([name, n]) => ({ name, gate: null, rejected: n }))];
}
