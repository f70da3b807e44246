import type { Quota } from '../schema/spec.ts';

/** Combinations: values of an axis that an image is to show together, such as edema with an effusion. */

type AxisSpec = Quota['axes'][string];

/** Joins the names of a combination to the name by which cells, shares and exclusions call on it. */
export const JOINER = '+';

/** The combinations of an axis by name, `edema+effusion`, as sets of its values in the order as written. */
export const combinationsOf = ({ combinations = [] }: Pick<AxisSpec, 'combinations'>): Map<string, readonly string[]> =>
  new Map(combinations.map((set) => [set.join(JOINER), set]));

/** The values of an axis that cells can have: its categories or bins as written, then its combinations. */
export const valuesOf = (axis: AxisSpec): readonly string[] => [
  ...(axis.values ?? axis.bins ?? []),
  ...combinationsOf(axis).keys(),
];

/** The classes of a gate that an image with this wanted value is to show: that of its name, or those that it combines. */
export const wantedClasses = (
  classes: readonly string[],
  value: string,
  combined: readonly string[] | undefined,
): readonly string[] => (classes.includes(value) ? [value] : (combined ?? [value]));

/** A set in words: "edema", "edema and effusion", "edema, effusion and nodule". */
export const inWords = (set: readonly string[]): string =>
  set.length < 2 ? set.join() : `${set.slice(0, -1).join(', ')} and ${set.at(-1)}`;
