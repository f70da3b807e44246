import { ModelError } from './errors.ts';
import type { DiffusionModel } from './model.ts';
import type { Tensor } from './onnx.ts';
import { advance, arraysOf, BufferPool } from './schedulers/advance.ts';
import { initialState, type Schedule } from './schedulers/schedule.ts';
import { areFinite, type FloatFeed, floatFeed, numberTensor, toFloats } from './tensors.ts';

/** The loop from noise to latents. */

/** Settings that the rows of a batch share. */
export interface DenoiseSetting {
  readonly schedule: Schedule;
  readonly guidanceScale: number;
  /** Steps that are guided, which has twice the rows in a call: `from` to before `to`; none where the two are equal. */
  readonly guided: { readonly from: number; readonly to: number };
  /** Latent rows and columns. */
  readonly height: number;
  readonly width: number;
}

/** Shares of the steps, from 0 to 1. */
export interface GuidanceInterval {
  readonly start: number;
  readonly stop: number;
}

/**
 * The steps that are guided: those of the interval, rounded down as diffusers' ClassifierFreeGuidance does; none at scale 1.
 * Source: T. Kynkäänniemi et al., "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in
 * Diffusion Models" (2024).
 */
export function guidedSteps(
  guidanceScale: number,
  interval: GuidanceInterval | undefined,
  steps: number,
): DenoiseSetting['guided'] {
  if (guidanceScale <= 1) return { from: 0, to: 0 };
  const { start, stop } = interval ?? { start: 0, stop: 1 };
  return { from: Math.floor(start * steps), to: Math.floor(stop * steps) };
}

type Kind = 'guided' | 'plain';

const kindAt = ({ guided }: DenoiseSetting, step: number): Kind =>
  guided.from <= step && step < guided.to ? 'guided' : 'plain';

/** The kinds of calls that the steps make. */
export const kindsOf = (setting: DenoiseSetting): Kind[] => [
  ...new Set(setting.schedule.steps.map((_, i) => kindAt(setting, i))),
];

interface Feeds {
  readonly sample: FloatFeed;
  readonly hidden: FloatFeed;
}

/** Memory for one batch size, to be reused from batch to batch but used by one at a time. */
export interface Workspace {
  readonly rows: number;
  readonly feeds: Readonly<Partial<Record<Kind, Feeds>>>;
  readonly guided: Float32Array;
  readonly buffers: BufferPool;
}

export function createWorkspace(model: DiffusionModel, setting: DenoiseSetting, rows: number): Workspace {
  const { session, ports } = model.unet;
  const latents = [model.vae.latentChannels, setting.height, setting.width];
  const embedding = [model.tokenizer.length, model.textEncoder.width];
  const feedsOf = (kind: Kind): Feeds => {
    const calls = kind === 'guided' ? 2 * rows : rows;
    return {
      sample: floatFeed(session, ports.sample, [calls, ...latents]),
      hidden: floatFeed(session, ports.encoder_hidden_states, [calls, ...embedding]),
    };
  };
  const length = latents.reduce((product, size) => product * size, rows);
  const feeds = Object.fromEntries(kindsOf(setting).map((kind) => [kind, feedsOf(kind)]));
  return { rows, feeds, guided: new Float32Array(length), buffers: new BufferPool(length) };
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
  const { buffers, guided } = workspace;
  const hidden = sendHidden(workspace, input);
  const first = buffers.take();
  for (let i = 0; i < first.length; i++) first[i] = input.noise[i]! * schedule.initNoiseSigma;
  let state = initialState(first);
  for (const [i, step] of schedule.steps.entries()) {
    input.signal?.throwIfAborted();
    const kind = kindAt(setting, i);
    const { sample } = workspace.feeds[kind]!;
    fillSample(sample.values, state.sample, step.inputScale);
    const rows = { count: sample.tensor.dims[0]!, name: ports.sample.shape[0] };
    const outputs = await session.run({
      [ports.sample.name]: sample.send(),
      [ports.timestep.name]: numberTensor(session, ports.timestep, step.timestep, rows),
      [ports.encoder_hidden_states.name]: hidden[kind]!,
    });
    const predicted = toFloats(session, output.name, outputs[output.name]!);
    const combined = kind === 'guided' ? guide(predicted, guidanceScale, guided) : predicted;
    state = advance(step, state, combined, buffers);
    assertNumbers(state.sample, session.file, { step: i + 1, of: schedule.steps.length });
    input.onStep?.(state.sample, i);
  }
  buffers.release(arraysOf(state));
  return state.sample.slice();
}

/** Ends what could only become black images. @throws ModelError when a latent is not a finite number */
function assertNumbers(latents: Float32Array, file: string, { step, of }: { step: number; of: number }): void {
  if (areFinite(latents)) return;
  throw new ModelError(
    `${file} gives values that are not numbers (NaN or infinite) at step ${step} of ${of}; a float16 graph that overflows does so: ` +
      'use the model in float32, or keep its attention in float32 (docs/models.md)',
  );
}

/** Negative rows first, then the prompts, as in diffusers; for steps without guidance the prompts alone. */
function sendHidden({ feeds, rows }: Workspace, { embeddings, negative }: DenoiseInput): Partial<Record<Kind, Tensor>> {
  const sent: Partial<Record<Kind, Tensor>> = {};
  for (const [kind, { hidden }] of Object.entries(feeds) as [Kind, Feeds][]) {
    const all = kind === 'guided' ? [...Array.from({ length: rows }, () => negative!), ...embeddings] : embeddings;
    let at = 0;
    for (const embedding of all) {
      hidden.values.set(embedding, at);
      at += embedding.length;
    }
    sent[kind] = hidden.send();
  }
  return sent;
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
