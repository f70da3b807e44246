import type { State, Step, Weights } from './schedule.ts';

/** Numbers of a block, 16 KB. The device waits while these loops run, so they go through memory once. */
const BLOCK = 2048;

/** Arrays that are free for reuse, so that a run does not allocate at every step. */
export class BufferPool {
  readonly #length: number;
  readonly #free: Float32Array[] = [];
  /** Sums are collected in float64 and rounded once; a block of them stays in the processor's cache. */
  readonly sums: Float64Array;

  constructor(length: number) {
    this.#length = length;
    this.sums = new Float64Array(Math.min(length, BLOCK));
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
  const terms: Term[] = [];
  if (weights.sample) terms.push({ weight: weights.sample, values: sources.sample });
  if (weights.anchor) terms.push({ weight: weights.anchor, values: sources.anchor! });
  if (weights.output) terms.push({ weight: weights.output, values: sources.output });
  for (const [i, weight] of (weights.estimates ?? []).entries())
    if (weight) terms.push({ weight, values: sources.estimates[i]! });
  const result = buffers.take();
  for (let from = 0; from < result.length; from += buffers.sums.length) sumBlock(terms, buffers.sums, result, from);
  return result;
}

interface Term {
  readonly weight: number;
  readonly values: Float32Array;
}

function sumBlock(terms: readonly Term[], sums: Float64Array, result: Float32Array, from: number): void {
  const length = Math.min(sums.length, result.length - from);
  sums.fill(0);
  for (const { weight, values } of terms) for (let i = 0; i < length; i++) sums[i]! += weight * values[from + i]!;
  for (let i = 0; i < length; i++) result[from + i] = sums[i]!;
}
