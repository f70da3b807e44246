import { combinationsOf, valuesOf } from '../plan/combinations.ts';
import { type Bin, parseBin } from '../plan/grid.ts';
import { type Issue, issueAt, listed, type Path, show } from '../schema/issue.ts';
import { axisName, type Quota } from '../schema/spec.ts';
import { type DraftSpec, entries, isWhole } from './draft.ts';
import type { Rule } from './rule.ts';

/** The axes of a quota, which other sections refer to. */

/** Axes by name; null for one that is wrong in itself: nothing that refers to it can be judged. */
export type Axes = ReadonlyMap<string, KnownAxis | null>;

interface KnownAxis {
  readonly values: readonly string[];
  /** Those of the values that are sets of others. */
  readonly combinations: ReadonlyMap<string, readonly string[]>;
  readonly numeric: boolean;
}

export type DraftAxes = NonNullable<DraftSpec['quota']>['axes'];
export type DraftAxis = NonNullable<DraftAxes>[string];

/** The axes, as far as they are sound; null without a map of axes. */
export function knownAxes(axes: DraftAxes): Axes | null {
  return axes ? new Map(entries(axes).map(([name, axis]) => [name, knownAxis(axis)])) : null;
}

function knownAxis(axis: DraftAxis): KnownAxis | null {
  if (!axis || !isWhole(axis) || (axis.values === undefined) === (axis.bins === undefined)) return null;
  return {
    values: valuesOf(axis as Quota['axes'][string]),
    combinations: combinationsOf(axis as Quota['axes'][string]),
    numeric: axis.bins !== undefined,
  };
}

/** An issue when an axis is not there. */
export function checkAxisName(axes: Axes | null, name: string | null | undefined, path: Path): Issue[] {
  if (!axes || typeof name !== 'string' || axes.has(name) || !axisName.safeParse(name).success) return [];
  return [issueAt(path, `there is no axis ${show(name)}; the axes are ${listed([...axes.keys()].sort())}`)];
}

/** An issue when a known axis does not have a value. */
export function checkValue(axes: Axes | null, name: string, value: string, path: Path): Issue[] {
  const axis = axes?.get(name);
  if (!axis || axis.values.includes(value)) return [];
  return [issueAt(path, `${show(value)} is not a value of axis ${name}; its values are ${listed(axis.values)}`)];
}

/** Issues of a partial cell that names an axis or a value which is not there. */
export function checkCell(
  axes: Axes | null,
  cell: Readonly<Record<string, string | null | undefined>> | null | undefined,
  path: Path,
): Issue[] {
  return entries(cell).flatMap(([name, value]) => {
    const at = [...path, name];
    const unknown = checkAxisName(axes, name, at);
    return unknown.length > 0 || typeof value !== 'string' ? unknown : checkValue(axes, name, value, at);
  });
}

/** Issues for the entries of a list that repeat an earlier one; `field` is where in an entry the name is. */
export function duplicates(items: readonly (readonly [number, string])[], path: Path, field: Path = []): Issue[] {
  const first = new Map<string, number>();
  return items.flatMap(([i, value]) => {
    if (!first.has(value)) return first.set(value, i) && [];
    return [issueAt([...path, i, ...field], `${show(value)} is there already, in [${first.get(value)}]; remove one`)];
  });
}

/** Issues for bins that end before they begin or share a number with another. */
export function checkBins(texts: readonly (readonly [number, string])[], path: Path): Issue[] {
  const issues: Issue[] = [];
  const bins: (Bin & { i: number; text: string })[] = [];
  for (const [i, text] of texts) {
    const { low, high } = parseBin(text);
    if (low <= high) bins.push({ low, high, i, text });
    else issues.push(issueAt([...path, i], `${show(text)} ends before it begins; write "${high}-${low}"`));
  }
  bins.sort((a, b) => a.low - b.low || a.i - b.i);
  let below = bins[0];
  for (const above of bins.slice(1)) {
    if (above.low <= below!.high) issues.push(issueAt([...path, above.i], overlap(below!, above)));
    if (above.high > below!.high) below = above;
  }
  return issues;
}

/** The first half of `checkBins`: CEL has no way to compare the bins of a list at a bearable cost. */
export const binRule: Rule = {
  rule: "!self.matches('^[0-9]+-[0-9]+$') || int(self.split('-')[0]) <= int(self.split('-')[1])",
  message: 'ends before it begins; write the lower number first',
};

function overlap(below: Bin & { text: string }, above: Bin & { text: string }): string {
  if (below.text === above.text) return `${show(above.text)} is there twice; remove one`;
  const fix =
    above.high > below.high ? `write "${below.high + 1}-${above.high}"` : 'remove it or end the other before it';
  return `${show(above.text)} overlaps ${show(below.text)} (both ends are included); ${fix}`;
}
