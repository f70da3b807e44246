import type { Cell } from './grid.ts';
import { hasPhrases, phraseSources } from './impressions.ts';
import { cycleOffsets, rotate, stride } from './rotation.ts';
import type { SamplePlan } from './samples.ts';

/** The values that change from sample to sample of a cell: the number on each axis of numbers, and the phrases. */

/** A cycle through `length` items that a cell's samples take turns at. */
interface Cycle {
  /** Cells with the same group share the items: all people of an age bin, all samples of a finding. */
  readonly group: string;
  readonly length: number;
  /** After how many slots all cycles before this one repeat. */
  readonly period: number;
  /** The stride between the values of successive turns: years are spread out, phrases follow each other. */
  readonly step: number;
}

interface PlacedCycle extends Cycle {
  readonly begin: number;
}

interface Cycles<T extends Cycle> {
  readonly numbers: readonly { readonly axis: string; readonly low: number; readonly cycle: T }[];
  /** One for each finding that lends a phrase. */
  readonly phrases: readonly { readonly finding: string; readonly cycle: T }[];
}

export type CellCycles = Cycles<PlacedCycle>;

/** The cycles of every cell. */
export function planCycles(plan: SamplePlan): CellCycles[] {
  const { grid, quotas } = plan.allocation;
  const laid = grid.cells.map((cell) => cyclesOfCell(plan, cell));
  const members = laid.flatMap(({ numbers, phrases }, cell) =>
    [...numbers, ...phrases].map(({ cycle }) => ({ cycle, quota: quotas[cell]!, period: cycle.period })),
  );
  const placed = new Map<Cycle, PlacedCycle>();
  for (const group of Map.groupBy(members, ({ cycle }) => cycle.group).values()) {
    const begins = cycleOffsets(group, group[0]!.cycle.length);
    group.forEach(({ cycle }, i) => {
      placed.set(cycle, { ...cycle, begin: begins[i]! });
    });
  }
  return laid.map(({ numbers, phrases }) => ({
    numbers: numbers.map((number) => ({ ...number, cycle: placed.get(number.cycle)! })),
    phrases: phrases.map((phrase) => ({ ...phrase, cycle: placed.get(phrase.cycle)! })),
  }));
}

function cyclesOfCell({ allocation, impressions, spec: { quota } }: SamplePlan, cell: Cell): Cycles<Cycle> {
  const { axes } = allocation.grid;
  const pairAxis = quota.pairs?.axis;
  // Members of a pair take the same turns: each value of the axis has turns of its own, those at its own items come last.
  const among = pairAxis === undefined ? '' : `${cell.values[axes.findIndex(({ name }) => name === pairAxis)]}: `;
  const numbers: { axis: string; low: number; cycle: Cycle }[] = [];
  let period = 1;
  const addNumbers = (isPaired: boolean): void => {
    for (const [k, axis] of allocation.table ? [] : axes.entries()) {
      if (!axis.bins || (axis.name === pairAxis) !== isPaired) continue;
      const value = cell.values[k]!;
      const { low, high } = axis.bins[axis.values.indexOf(value)]!;
      const length = high - low + 1;
      const group = `${among}${axis.name}=${value}`;
      numbers.push({ axis: axis.name, low, cycle: { group, length, period, step: stride(length) } });
      period *= length;
    }
  };
  addNumbers(false);
  const sources = phraseSources(allocation.grid, cell, impressions).filter((name) => hasPhrases(impressions, name));
  const phrases = sources.map((finding) => {
    const cycle = {
      group: `${among}impression of ${finding}`,
      length: impressions[finding]!.length,
      period,
      step: 1,
    };
    period *= cycle.length;
    return { finding, cycle };
  });
  addNumbers(true);
  return { numbers, phrases };
}

/** Which item of a cycle the sample in a cell's `slot` gets, from 0. */
export function itemAt({ length, period, begin, step }: PlacedCycle, slot: number): number {
  return (((begin + rotate(slot, length, period)) % length) * step) % length;
}
