import { sampleKey } from '../names.ts';
import type { Quota } from '../schema/spec.ts';
import type { Allocation } from './allocate.ts';
import { inWords } from './combinations.ts';
import { cellRecord, type Grid, setOf } from './grid.ts';
import type { Impressions } from './impressions.ts';
import type { Place } from './order.ts';
import type { Origin } from './origin.ts';
import { memberPlaces, membersOf, pairSize } from './pairs.ts';
import { renderPrompt } from './prompts.ts';
import { type CellCycles, itemAt, planCycles } from './value-cycles.ts';

/** The samples of a plan: what each image is to show. */

/** One wanted image. */
export interface Sample {
  readonly index: number;
  /** WebDataset key. */
  readonly key: string;
  /** Ordinal in `plan.allocation.grid.cells`. */
  readonly cell: number;
  readonly axes: Readonly<Record<string, string>>;
  /** On each axis with combinations, the values that are to show together. */
  readonly sets?: Readonly<Record<string, readonly string[]>>;
  /** The number wanted on each axis of numbers, such as {age: 63} (years). */
  readonly exact: Readonly<Record<string, number>>;
  readonly prompt: string;
  readonly sourceId?: string;
  /** Key of the first sample of its pair. */
  readonly pair?: string;
}

/** The parts of a plan that determine its samples. */
export interface SamplePlan {
  readonly allocation: Allocation;
  readonly origin: Pick<Origin, 'index'>;
  readonly impressions: Impressions;
  readonly spec: { readonly prompt: { readonly template: string }; readonly quota: Pick<Quota, 'axes' | 'pairs'> };
}

/** The samples with indices `start` to `end` (exclusive). Memory and, but for sorting, time O(cells + samples asked for). */
export function samplesBetween(plan: SamplePlan, start: number, end: number): Sample[] {
  const cycles = planCycles(plan);
  const { grid, quotas } = plan.allocation;
  const { index: origin } = plan.origin;
  const members = membersOf(grid, plan.spec.quota);
  return memberPlaces(quotas, members, start - origin, end - origin).map((place, i) => {
    return sampleOf(plan, cycles[place.cell]!, start + i, place);
  });
}

/** Key of the first sample of the pair that a sample belongs to. */
function pairKey({ origin, spec }: SamplePlan, index: number): string {
  return sampleKey(index - ((index - origin.index) % pairSize(spec.quota)));
}

function sampleOf(plan: SamplePlan, cycles: CellCycles, index: number, { cell, slot }: Place): Sample {
  const { grid, table } = plan.allocation;
  const axes = cellRecord(grid, grid.cells[cell]!);
  const row = table?.[cell]?.[slot];
  const exact = row?.exact ?? numbersAt(cycles, slot);
  const impression = row?.impression ?? phrasesAt(plan.impressions, cycles, slot);
  const sets = combinedSets(grid, axes);
  const words = { ...wordsOf({ axes, sets, exact }), ...(impression !== undefined && { impression }) };
  return {
    index,
    key: sampleKey(index),
    cell,
    axes,
    ...(sets && { sets }),
    exact,
    prompt: renderPrompt(plan.spec.prompt.template, words),
    ...(row?.sourceId !== undefined && { sourceId: row.sourceId }),
    ...(plan.spec.quota.pairs && { pair: pairKey(plan, index) }),
  };
}

/** The words for the names of axes in a template: the number, the findings that are combined, or the value. */
export function wordsOf({ axes, sets = {}, exact }: Pick<Sample, 'axes' | 'exact'> & Sets): Record<string, string> {
  const spoken = Object.entries(sets).map(([axis, set]) => [axis, inWords(set)]);
  const numbers = Object.entries(exact).map(([axis, number]) => [axis, String(number)]);
  return { ...axes, ...Object.fromEntries(spoken), ...Object.fromEntries(numbers) };
}

interface Sets {
  readonly sets?: Sample['sets'] | undefined;
}

function combinedSets({ axes }: Grid, values: Readonly<Record<string, string>>): Sample['sets'] {
  const combined = axes.filter(({ combinations }) => combinations);
  if (combined.length === 0) return undefined;
  return Object.fromEntries(combined.map((axis) => [axis.name, setOf(axis, values[axis.name]!)]));
}

function numbersAt({ numbers }: CellCycles, slot: number): Record<string, number> {
  return Object.fromEntries(numbers.map(({ axis, low, cycle }) => [axis, low + itemAt(cycle, slot)]));
}

/** The phrase of the sample's finding, or one phrase of each that it combines. */
function phrasesAt(impressions: Impressions, { phrases }: CellCycles, slot: number): string | undefined {
  if (phrases.length === 0) return undefined;
  return phrases.map(({ finding, cycle }) => impressions[finding]![itemAt(cycle, slot)]!).join(' ');
}
