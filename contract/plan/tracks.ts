import type { Cell } from './grid.ts';
import type { SamplePlan } from './samples.ts';
import { starts, stride, turn } from './turns.ts';

/** What changes from sample to sample of a cell: the number of each axis of numbers, and the phrase. */

/** A cycle through `length` things that a cell's samples take turns at. */
interface Track {
  /** Cells with the same group share the things: all people of an age bin, all samples of a finding. */
  readonly group: string;
  readonly length: number;
  /** After how many slots all tracks before this one repeat. */
  readonly period: number;
  /** How far apart the things of successive turns are: years jump about, phrases follow each other. */
  readonly step: number;
}

interface Begun extends Track {
  readonly begin: number;
}

interface Tracks<T extends Track> {
  readonly numbers: readonly { readonly axis: string; readonly low: number; readonly track: T }[];
  readonly phrases: T | null;
}

export type CellTracks = Tracks<Begun>;

/** The tracks of every cell. */
export function tracksOf(plan: SamplePlan): CellTracks[] {
  const { grid, quotas } = plan.allocation;
  const laid = grid.cells.map((cell) => layTracks(plan, cell));
  const members = laid.flatMap(({ numbers, phrases }, cell) =>
    [...numbers.map(({ track }) => track), ...(phrases ? [phrases] : [])].map((track) => {
      return { track, quota: quotas[cell]!, period: track.period };
    }),
  );
  const begun = new Map<Track, Begun>();
  for (const group of Map.groupBy(members, ({ track }) => track.group).values()) {
    const begins = starts(group, group[0]!.track.length);
    group.forEach(({ track }, i) => {
      begun.set(track, { ...track, begin: begins[i]! });
    });
  }
  return laid.map(({ numbers, phrases }) => ({
    numbers: numbers.map((number) => ({ ...number, track: begun.get(number.track)! })),
    phrases: phrases && begun.get(phrases)!,
  }));
}

function layTracks({ allocation, impressions }: SamplePlan, cell: Cell): Tracks<Track> {
  const { axes } = allocation.grid;
  const numbers: { axis: string; low: number; track: Track }[] = [];
  let period = 1;
  for (const [k, axis] of allocation.table ? [] : axes.entries()) {
    if (!axis.bins) continue;
    const value = cell.values[k]!;
    const { low, high } = axis.bins[axis.values.indexOf(value)]!;
    const length = high - low + 1;
    numbers.push({
      axis: axis.name,
      low,
      track: { group: `${axis.name}=${value}`, length, period, step: stride(length) },
    });
    period *= length;
  }
  const finding = cell.values[axes.findIndex(({ name }) => name === 'finding')] ?? '';
  const length = Object.hasOwn(impressions, finding) ? impressions[finding]!.length : 0;
  return { numbers, phrases: length > 0 ? { group: `impression of ${finding}`, length, period, step: 1 } : null };
}

/** Which thing of a track the sample in a cell's `slot` gets, from 0. */
export function thingAt({ length, period, begin, step }: Begun, slot: number): number {
  return (((begin + turn(slot, length, period)) % length) * step) % length;
}
