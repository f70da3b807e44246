import type { GateModel } from '../../contract/schema/gate.ts';
import type { Gate } from '../../contract/schema/spec.ts';

/** What a gate's numbers mean for one image. Pure. */

export interface Verdict {
  /** Classifier: probability of the wanted class. Regressor: the predicted number, in the unit of its axis. */
  readonly score: number;
  readonly passed: boolean;
}

/** What the image was to show: the axis value and, on an axis of numbers, the number. */
export interface Wanted {
  readonly value: string;
  readonly exact: number | undefined;
}

/** Probabilities from a graph's raw outputs (one image), by the activation that gate.json names. */
export function activate(raw: Float32Array, activation: GateModel['output']['activation']): number[] {
  if (activation === 'sigmoid') return Array.from(raw, (logit) => 1 / (1 + Math.exp(-logit)));
  if (activation === 'identity') return Array.from(raw);
  const top = raw.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Array.from(raw, (logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * Judges one image. A single-label classifier must find the wanted class the most probable, a multi-label one only
 * probable enough; a regressor's number must lie within the tolerance of the wanted number. A score that is not a finite number
 * never passes: no record could hold it.
 */
export function judge(
  gate: Pick<Gate, 'type' | 'multiLabel' | 'minProbability' | 'tolerance'>,
  outputs: readonly number[],
  classes: readonly string[],
  wanted: Wanted,
): Verdict {
  if (gate.type === 'Regressor') {
    const score = outputs[0]!;
    return { score, passed: Number.isFinite(score) && Math.abs(score - wanted.exact!) <= gate.tolerance! };
  }
  const score = outputs[classes.indexOf(wanted.value)]!;
  const likeliest = gate.multiLabel || outputs.every((probability) => probability <= score);
  return { score, passed: Number.isFinite(score) && likeliest && score >= gate.minProbability };
}

/** A score as records keep it: six digits say all that float32 arithmetic promises; null for what is no number. */
export const roundScore = (score: number): number | null =>
  Number.isFinite(score) ? Number(score.toPrecision(6)) : null;
