import type { State, Step, Weights } from './schedule.ts';

/** Arrays that are free for reuse, so that a run does not allocate at every step. */
export class BufferPool {
  readonly #length: number;
  readonly #free: Float32Array[] = [];
  /** Sums are collected in float64 and rounded once. */
  readonly sums: Float64Array;

  constructor(length: number) {
    this.#length = length;
    this.sums = new Float64Array(length);
  }

  take(): Float32Array {
    return this.#free.pop() ?? new Float32Array(this.#length);
  }

  release(arrays: Iterable<Float32Array>): void {
    this.#free.push(...arrays);
  }
}

/**
 * Carries out one step. The arrays of the given state must not be used afterwards: those that the new state does not hold
 * are given back for reuse.
 * @param output the model's output, of the sample's length; not kept
 */
export function advance(step: Step, state: State, output: Float32Array, buffers: BufferPool): State {
  const estimate = predict(step, state.sample, output, buffers.take());
  const estimates = [estimate, ...state.remembered];
  const sources = { ...state, output, estimates };
  const sample = step.correct ? weigh(step.correct, sources, buffers) : state.sample;
  const next: State = {
    sample: weigh(step.next, { ...sources, sample }, buffers),
    anchor: step.anchors ? sample : state.anchor,
    remembered: step.keep.map((index) => estimates[index]!),
  };
  const held = arraysOf(next);
  const used = arraysOf(state).add(sample).add(estimate);
  buffers.release([...used].filter((array) => !held.has(array)));
  return next;
}

/** The arrays that a state holds, each once. */
export function arraysOf({ sample, anchor, remembered }: State): Set<Float32Array> {
  return new Set(anchor ? [sample, anchor, ...remembered] : [sample, ...remembered]);
}

function predict({ estimate }: Step, sample: Float32Array, output: Float32Array, into: Float32Array): Float32Array {
  const { sample: a, output: b, limit = Infinity } = estimate;
  if (a === 0 && b === 1 && limit === Infinity) {
    into.set(output);
    return into;
  }
  for (let i = 0; i < into.length; i++) {
    const value = a * sample[i]! + b * output[i]!;
    into[i] = Math.max(-limit, Math.min(limit, value));
  }
  return into;
}

interface Sources extends State {
  readonly output: Float32Array;
  readonly estimates: readonly Float32Array[];
}

function weigh(weights: Weights, sources: Sources, buffers: BufferPool): Float32Array {
  const { sums } = buffers;
  sums.fill(0);
  if (weights.sample) add(sums, weights.sample, sources.sample);
  if (weights.anchor) add(sums, weights.anchor, sources.anchor!);
  if (weights.output) add(sums, weights.output, sources.output);
  weights.estimates?.forEach((weight, i) => {
    if (weight) add(sums, weight, sources.estimates[i]!);
  });
  const result = buffers.take();
  result.set(sums);
  return result;
}

function add(sums: Float64Array, weight: number, values: Float32Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += weight * values[i]!;
}
