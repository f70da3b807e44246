import type { GateTypeName } from '../schema/gate.ts';
import type { Gate, ModelGate } from '../schema/spec.ts';
import { classifier } from './classifier.ts';
import type { GateType, Interval } from './gate-type.ts';
import { novelty } from './novelty.ts';
import { regressor } from './regressor.ts';

/** The gate types, and the one rule by which a score passes: for the worker, `verify`, the card and the browse page. */
export const GATE_TYPES: Readonly<Record<GateTypeName, GateType>> = {
  Classifier: classifier,
  Regressor: regressor,
  Novelty: novelty,
};

/** Whether a gate has a graph of its own. */
export const hasModel = (gate: Gate): gate is ModelGate => gate.type !== 'Novelty';

/** The scores that pass a gate. `exact` holds the wanted number of each axis of numbers. */
export const passInterval = (gate: Gate, exact: Readonly<Record<string, number>>): Interval =>
  GATE_TYPES[gate.type].interval(gate, gate.axis === undefined ? undefined : exact[gate.axis]);

/** The scores around an interval of a gate that a meter shows. */
export const meterScale = (gate: Gate, interval: Interval): Interval => GATE_TYPES[gate.type].scale(interval);

/** The rule of a gate in words. */
export const gateRule = (gate: Gate): string => GATE_TYPES[gate.type].describe(gate);

/** Whether a gate judges an image that is to show these values. */
export const appliesTo = (gate: Gate, axes: Readonly<Record<string, string>>): boolean =>
  !gate.appliesTo || gate.appliesTo.includes(axes[gate.axis!]!);

/** Significant digits of a recorded score: all that float32 arithmetic promises. */
const DIGITS = 6;

/** A score as records keep it; null for one that is not a number. */
export const roundScore = (score: number): number | null =>
  Number.isFinite(score) ? Number(score.toPrecision(DIGITS)) : null;

/** Whether a score lies in an interval. One that is not a finite number never does: no record could hold it. */
export const isWithin = ({ low, high }: Interval, score: number): boolean =>
  Number.isFinite(score) && low <= score && score <= high;

/** Whether a recorded score may be that of an image which passed: it has been rounded. */
export function isRecordedWithin({ low, high }: Interval, score: number): boolean {
  const exponent = score === 0 ? 0 : Math.floor(Math.log10(Math.abs(score)));
  const rounding = 0.5 * 10 ** (exponent + 1 - DIGITS);
  // The second term is for the arithmetic of this very sum.
  const slack = rounding + Number.EPSILON * (Math.abs(low) + Math.abs(high) + Math.abs(score));
  return isWithin({ low: low - slack, high: high + slack }, score);
}
