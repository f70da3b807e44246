import { type Bin, countCombinations, MAX_CELLS, parseBin } from '../plan/grid.ts';
import { type Issue, issueAt, listed, type Path, show } from '../schema/issue.ts';
import { axisName, axisSchema, axisValue, MAX_AXES } from '../schema/spec.ts';
import { bin } from '../schema/text.ts';
import { items, member, members, sound, soundItems } from './salvage.ts';

/** The meaning of `spec.quota`: its axes, and the cells that name them. */

/** The axes of a quota by name. Null stands for one that is wrong in itself: nothing that refers to it can be judged. */
export type Axes = ReadonlyMap<string, KnownAxis | null>;

interface KnownAxis {
  readonly values: readonly string[];
  readonly numeric: boolean;
}

/** The placeholder of the template that is no axis. */
const RESERVED = 'impression';
const AXES: Path = ['spec', 'quota', 'axes'];

/** The axes, as far as they are sound; null where there is no map of axes at all. */
export function knownAxes(quota: unknown): Axes | null {
  const raw = member(quota, 'axes');
  if (typeof raw !== 'object' || raw === null) return null;
  return new Map(members(raw).map(([name, axis]) => [name, knownAxis(axis)]));
}

function knownAxis(raw: unknown): KnownAxis | null {
  const axis = sound(axisSchema, raw);
  if (!axis || (axis.values === undefined) === (axis.bins === undefined)) return null;
  return { values: axis.values ?? axis.bins!, numeric: axis.bins !== undefined };
}

export function checkAxes(quota: unknown): Issue[] {
  const axes = members(member(quota, 'axes'));
  const issues = axes.flatMap(([name, axis]) => checkAxis(name, axis));
  if (!axes.every(([, axis]) => sound(axisSchema, axis))) return issues;
  if (axes.length === 0 && knownAxes(quota)) {
    issues.push(issueAt(AXES, 'is empty; name at least one axis, such as sex: {values: [female, male]}'));
  }
  if (axes.length > MAX_AXES) {
    issues.push(issueAt(AXES, `has ${axes.length} axes; the most is ${MAX_AXES}: leave some out`));
  }
  const combinations = countCombinations(Object.fromEntries(axes) as Parameters<typeof countCombinations>[0]);
  if (combinations > MAX_CELLS) {
    issues.push(
      issueAt(AXES, `has ${combinations} combinations; the most is ${MAX_CELLS}: use fewer or coarser values`),
    );
  }
  return issues;
}

function checkAxis(name: string, raw: unknown): Issue[] {
  const path = [...AXES, name];
  const [values, bins] = [member(raw, 'values'), member(raw, 'bins')];
  const issues = [
    ...duplicates(soundItems(axisValue, values), [...path, 'values']),
    ...checkBins(soundItems(bin, bins), [...path, 'bins']),
  ];
  if (name === RESERVED) {
    issues.push(issueAt(path, `is the name of the phrase in a prompt; call the axis something else, such as finding`));
  }
  if (sound(axisSchema, raw) && (values === undefined) === (bins === undefined)) {
    const found = values === undefined ? 'has neither values nor bins' : 'has both values and bins';
    issues.push(issueAt(path, `${found}; give exactly one of the two`));
  }
  return issues;
}

/** Issues for the entries of a list that repeat an earlier one; `field` is where in an entry the name stands. */
export function duplicates(entries: readonly (readonly [number, string])[], path: Path, field: Path = []): Issue[] {
  const first = new Map<string, number>();
  return entries.flatMap(([i, value]) => {
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

function overlap(below: Bin & { text: string }, above: Bin & { text: string }): string {
  if (below.text === above.text) return `${show(above.text)} is there twice; remove one`;
  const fix =
    above.high > below.high ? `write "${below.high + 1}-${above.high}"` : 'remove it or end the other before it';
  return `${show(above.text)} overlaps ${show(below.text)} (both ends are included); ${fix}`;
}

export function checkExclude(quota: unknown, axes: Axes | null): Issue[] {
  return items(member(quota, 'exclude')).flatMap(([i, cell]) => {
    const path = ['spec', 'quota', 'exclude', i];
    if (typeof cell === 'object' && cell !== null && !Array.isArray(cell) && members(cell).length === 0) {
      return [issueAt(path, 'is empty and would exclude every cell; remove it or name an axis')];
    }
    return checkCell(axes, cell, path);
  });
}

/** Whether a partial cell, as far as its form is right, names axes and values that there are. */
export function checkCell(axes: Axes | null, cell: unknown, path: Path): Issue[] {
  return members(cell).flatMap(([name, raw]) => {
    const at = [...path, name];
    const unknown = checkAxisName(axes, name, at);
    const value = sound(axisValue, raw);
    return unknown.length > 0 || value === undefined ? unknown : checkValue(axes, name, value, at);
  });
}

/** An issue when there is no such axis. */
export function checkAxisName(axes: Axes | null, name: unknown, path: Path): Issue[] {
  const known = sound(axisName, name);
  if (!axes || known === undefined || axes.has(known)) return [];
  return [issueAt(path, `there is no axis ${show(known)}; the axes are ${listed([...axes.keys()].sort())}`)];
}

/** An issue when a known axis has no such value. */
export function checkValue(axes: Axes | null, name: string, value: string, path: Path): Issue[] {
  const axis = axes?.get(name);
  if (!axis || axis.values.includes(value)) return [];
  return [issueAt(path, `${show(value)} is no value of axis ${name}; its values are ${listed(axis.values)}`)];
}
