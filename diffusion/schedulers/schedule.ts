import { ModelError } from '../errors.ts';

/**
 * A sampler as data. All samplers here are linear: what they do with a model output is a weighted sum of the sample, that
 * output and a few earlier ones, with weights that depend on the schedule only. A plan therefore holds numbers, and one
 * function, `advance`, carries any of them out.
 *
 *   state  --scale-->  model  --estimate-->  (correct)  --next-->  state
 */
export interface Schedule {
  /** The model calls in order. */
  readonly steps: readonly Step[];
  /** Standard deviation of the first sample. */
  readonly initNoiseSigma: number;
  /** Noise levels, one more than steps; for samplers that work with them. */
  readonly sigmas?: readonly number[];
}

export interface Step {
  /** The timestep that the model gets; an integer for most samplers. */
  readonly timestep: number;
  /** The sample is multiplied by this for the model. */
  readonly inputScale: number;
  /** The quantity that is computed from the model output and kept: a prediction of the noise or of the clean sample. */
  readonly estimate: { readonly sample: number; readonly output: number; readonly limit?: number };
  /** Replaces the sample before the next step (UniPC's corrector). */
  readonly correct?: Weights;
  /** The next sample. */
  readonly next: Weights;
  /** The estimates to remember, as indices into [this estimate, ...remembered]. */
  readonly keep: readonly number[];
  /** Whether the (corrected) sample of this step becomes the anchor. */
  readonly anchors?: boolean;
}

/** A weighted sum. Left out, a weight is 0. */
export interface Weights {
  readonly sample?: number;
  /** An earlier sample that a step starts from again. */
  readonly anchor?: number;
  readonly output?: number;
  /** Over [this estimate, ...remembered], newest first. */
  readonly estimates?: readonly number[];
}

/** Everything that a run carries from step to step. Arrays are float32, all of one length. */
export interface State {
  readonly sample: Float32Array;
  readonly anchor: Float32Array | null;
  readonly remembered: readonly Float32Array[];
}

export const initialState = (sample: Float32Array): State => ({ sample, anchor: null, remembered: [] });

/** @throws ModelError when a weight is not a number: the schedule asks for the impossible, such as noise without signal */
export function checkSchedule(schedule: Schedule): Schedule {
  for (const { timestep, inputScale, estimate, correct, next } of schedule.steps) {
    const weights = [correct, next].flatMap((sum) =>
      sum ? [sum.sample ?? 0, sum.anchor ?? 0, sum.output ?? 0, ...(sum.estimates ?? [])] : [],
    );
    if (![timestep, inputScale, estimate.sample, estimate.output, ...weights].every(Number.isFinite)) {
      throw new ModelError(
        `scheduler_config.json: at timestep ${timestep} this schedule divides by zero (no signal, or no noise, is left there); ` +
          'use another timestep_spacing, prediction_type or final_sigmas_type',
      );
    }
  }
  return schedule;
}
