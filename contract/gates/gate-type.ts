import type { Issue, Path } from '../schema/issue.ts';
import type { Gate } from '../schema/spec.ts';
import type { Draft } from '../validate/draft.ts';
import type { Rule } from '../validate/rule.ts';

/** The form of a gate type: everything about it that is not arithmetic on pixels. The types are entered in `gate-types.ts`. */

/** Scores from `low` to `high`, both included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** An axis as a gate's checks need it; absent when it is wrong in itself. */
export interface GateAxis {
  readonly values: readonly string[];
  readonly combinations: ReadonlyMap<string, readonly string[]>;
  readonly numeric: boolean;
}

export type DraftGate = Draft<Partial<Gate>>;

export interface GateType {
  /** Whether the graph has one output for each class; otherwise it has a single one. */
  readonly hasClasses: boolean;
  /** The number that records keep of one image, from its outputs. `wanted` are the classes that it is to show. */
  score(outputs: readonly number[], classes: readonly string[], wanted: readonly string[]): number;
  /** The scores that pass. `exact` is the wanted number, on an axis of numbers. */
  interval(gate: Gate, exact: number | undefined): Interval;
  /** All scores that an image can get, as far as a meter shows them around an interval. */
  scale(interval: Interval): Interval;
  /** Whether the outputs allow a score in the interval to pass. */
  agrees(gate: Gate, outputs: readonly number[], score: number): boolean;
  /** The rule in words, such as "within 16 of the wanted number". */
  describe(gate: Gate): string;
  /** Fields that decide which images pass: part of the plan's digest. */
  identity(gate: Gate): object;
  /** Issues of a gate of this type in a spec, and the same for the API server. */
  check(gate: DraftGate, axis: GateAxis | null | undefined, path: Path): Issue[];
  /** Rules at `spec`, and at `spec.quality.gates.[]`; each begins with a condition on the type. */
  readonly cel: { readonly spec: readonly Rule[]; readonly gate: readonly Rule[] };
}
