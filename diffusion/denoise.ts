import { ModelError } from './errors.ts';
import type { DiffusionModel } from './model.ts';
import { advance, arraysOf, Spares } from './schedulers/advance.ts';
import { initialState, type Schedule } from './schedulers/schedule.ts';
import { type FloatFeed, floatFeed, numberTensor, toFloats } from './tensors.ts';

/** The loop from noise to latents. */

/** Settings that the rows of a batch share. */
export interface DenoiseSetting {
  readonly schedule: Schedule;
  /** Above 1, the guided way: twice the rows in each call. */
  readonly guidanceScale: number;
  /** Latent rows and columns. */
  readonly height: number;
  readonly width: number;
}

/** Memory for one batch size, to be reused from batch to batch but used by one at a time. */
export interface Workspace {
  readonly rows: number;
  readonly sample: FloatFeed;
  readonly hidden: FloatFeed;
  readonly guided: Float32Array;
  readonly spares: Spares;
}

export const isGuided = (guidanceScale: number): boolean => guidanceScale > 1;

export function createWorkspace(model: DiffusionModel, setting: DenoiseSetting, rows: number): Workspace {
  const { session, ports } = model.unet;
  const { height, width, guidanceScale } = setting;
  const calls = isGuided(guidanceScale) ? 2 * rows : rows;
  const sample = floatFeed(session, ports.sample, [calls, model.vae.latentChannels, height, width]);
  const hidden = floatFeed(session, ports.encoder_hidden_states, [
    calls,
    model.tokenizer.length,
    model.textEncoder.width,
  ]);
  const length = (sample.values.length / calls) * rows;
  return { rows, sample, hidden, guided: new Float32Array(length), spares: new Spares(length) };
}

export interface DenoiseInput {
  /** Standard normal, [rows, channels, height, width]. */
  readonly noise: Float32Array;
  /** One embedding a row; for guidance, also the negative one. */
  readonly embeddings: readonly Float32Array[];
  readonly negative?: Float32Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sees the latents after each step; they are overwritten later. */
  readonly onStep?: ((latents: Float32Array, step: number) => void) | undefined;
}

/**
 * Latents of shape [rows, channels, height, width], before division by the scaling factor. A row's latents do not depend on
 * the rows beside it.
 * Source of the guidance: J. Ho, T. Salimans, "Classifier-Free Diffusion Guidance" (2022); diffusers,
 * StableDiffusionPipeline.__call__.
 */
export async function denoise(
  model: DiffusionModel,
  setting: DenoiseSetting,
  workspace: Workspace,
  input: DenoiseInput,
): Promise<Float32Array> {
  const { session, ports, output } = model.unet;
  const { schedule, guidanceScale } = setting;
  const { sample, spares, guided } = workspace;
  fillHidden(workspace, input, isGuided(guidanceScale));
  const hidden = workspace.hidden.send();
  const rows = { count: sample.tensor.dims[0]!, name: ports.sample.shape[0] };
  const first = spares.take();
  for (let i = 0; i < first.length; i++) first[i] = input.noise[i]! * schedule.initNoiseSigma;
  let state = initialState(first);
  for (const [i, step] of schedule.steps.entries()) {
    input.signal?.throwIfAborted();
    fillSample(sample.values, state.sample, step.inputScale);
    const outputs = await session.run({
      [ports.sample.name]: sample.send(),
      [ports.timestep.name]: numberTensor(session, ports.timestep, step.timestep, rows),
      [ports.encoder_hidden_states.name]: hidden,
    });
    const predicted = toFloats(session, output.name, outputs[output.name]!);
    const combined = isGuided(guidanceScale) ? guide(predicted, guidanceScale, guided) : predicted;
    state = advance(step, state, combined, spares);
    assertNumbers(state.sample, session.file, { step: i + 1, of: schedule.steps.length });
    input.onStep?.(state.sample, i);
  }
  spares.giveBack(arraysOf(state));
  return state.sample.slice();
}

/** Ends what could only become black images. @throws ModelError when a latent is not a finite number */
function assertNumbers(latents: Float32Array, file: string, { step, of }: { step: number; of: number }): void {
  if (latents.every(Number.isFinite)) return;
  throw new ModelError(
    `${file} gives values that are not numbers (NaN or infinite) at step ${step} of ${of}; a float16 graph that overflows does so: ` +
      'use the model in float32, or keep its attention in float32 (docs/models.md)',
  );
}

/** Negative rows first, then the prompts, as in diffusers. */
function fillHidden({ hidden, rows }: Workspace, { embeddings, negative }: DenoiseInput, guided: boolean): void {
  const all = guided ? [...Array.from({ length: rows }, () => negative!), ...embeddings] : embeddings;
  let at = 0;
  for (const embedding of all) {
    hidden.values.set(embedding, at);
    at += embedding.length;
  }
}

function fillSample(into: Float32Array, sample: Float32Array, scale: number): void {
  if (scale === 1) into.set(sample);
  else for (let i = 0; i < sample.length; i++) into[i] = sample[i]! * scale;
  if (into.length > sample.length) into.copyWithin(sample.length, 0, sample.length);
}

function guide(predicted: Float32Array, scale: number, into: Float32Array): Float32Array {
  const half = into.length;
  for (let i = 0; i < half; i++) {
    const negative = predicted[i]!;
    into[i] = negative + scale * (predicted[half + i]! - negative);
  }
  return into;
}
