import { JOINER } from '../plan/combinations.ts';
import type { Issue } from '../schema/issue.ts';
import type { Axes } from './axes.ts';
import type { DraftSpec } from './draft.ts';

/**
 * A rule in the API server's expression language (CEL). `self` is the value of the schema that holds the rule; an update is
 * refused with 422 and the message when it is not true.
 */
export interface Rule {
  readonly rule: string;
  /** Says what is wrong with the field at `fieldPath`, and the fix. It cannot hold the value found: that would cost too much. */
  readonly message: string;
  /** Path of the fault, from the schema that holds the rule; default: there. */
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueRequired' | 'FieldValueForbidden';
}

/** Rules by the path of the schema that holds them, from `spec`; see `schemaAt`. */
export type Rules = Readonly<Record<string, readonly Rule[]>>;

/** One rule about a spec, in both languages. */
export interface Validation {
  /** The rule in TypeScript: every offending place, with the value found and the fix. */
  check(spec: DraftSpec, axes: Axes | null): Issue[];
  /** The same for the API server, as far as CEL reaches. */
  readonly cel: Rules;
}

/** Values, bins and combinations of an axis: the names by which other fields call on it. */
export const namesOf = (axis: string): string =>
  `((has(${axis}.values) ? ${axis}.values : has(${axis}.bins) ? ${axis}.bins : []) + (has(${axis}.combinations) ? ${axis}.combinations.map(set, set.join('${JOINER}')) : []))`;

/** The number of names. */
export const countOf = (axis: string): string =>
  ['values', 'bins', 'combinations'].map((list) => `(has(${axis}.${list}) ? ${axis}.${list}.size() : 0)`).join(' + ');

/**
 * The values of a list as the keys of a map: a search in a list costs its length, one in a map does not. It is only to be
 * searched: the API server does not know how long it is, and takes that for endless.
 */
export const asKeys = (list: string): string => `${list}.transformMapEntry(i, entry, {entry: true})`;

/** Binds a name in a rule: CEL has no other way than a list of one. */
export const withName = (name: string, value: string, rule: string): string => `[${value}].all(${name}, ${rule})`;

/** Binds `known`, a map from each axis to its values as keys. */
export const withKnown = (axes: string, rule: string): string =>
  withName('known', `${axes}.transformMap(name, axis, ${asKeys(namesOf('axis'))})`, rule);

/** Whether a partial cell names only axes and values that there are; see `withKnown`. */
export const isKnown = (cell: string): string => `${cell}.all(name, name in known && ${cell}[name] in known[name])`;
