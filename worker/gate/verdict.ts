import { GATE_TYPES, isWithin } from '../../contract/gates/gate-types.ts';
import { wantedClasses } from '../../contract/plan/combinations.ts';
import type { GateModel } from '../../contract/schema/gate.ts';
import type { Gate } from '../../contract/schema/spec.ts';

/** The meaning of a gate's numbers for one image. Pure. */

export interface Verdict {
  /**
   * Classifier: probability of the wanted class. Regressor: the predicted number, in the unit of its axis. Novelty: the
   * cosine distance from the nearest image.
   */
  readonly score: number;
  readonly passed: boolean;
  /** Novelty: what the image is nearest to, as records name it. */
  readonly nearest?: string;
}

/** The wanted axis value, what it combines if it is a combination and, on an axis of numbers, the number. */
export interface Wanted {
  readonly value: string;
  readonly combined?: readonly string[] | undefined;
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

/** The expectation of a gate that judges no axis. */
const NOTHING: Wanted = { value: '', exact: undefined };

/** Judges one image by the rule of the gate's type. */
export function judge(
  gate: Gate,
  outputs: readonly number[],
  classes: readonly string[] = [],
  wanted: Wanted = NOTHING,
): Verdict {
  const type = GATE_TYPES[gate.type];
  const score = type.score(outputs, classes, wantedClasses(classes, wanted.value, wanted.combined));
  // A record cannot hold a score that is not a number.
  if (gate.enforce === false && Number.isFinite(score)) return { score, passed: true };
  const passed = isWithin(type.interval(gate, wanted.exact), score) && type.agrees(gate, outputs, score);
  return { score, passed };
}
