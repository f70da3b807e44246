import { SCHEDULERS } from '../contract/schema/spec.ts';
import type { BitDepth, RawImage } from '../platform/image/image.ts';
import { decodeLatents, toRawImage } from './decode.ts';
import {
  createWorkspace,
  type DenoiseSetting,
  denoise,
  type GuidanceInterval,
  guidedSteps,
  kindsOf,
  type Workspace,
} from './denoise.ts';
import { createEmbeddings, type Embeddings } from './embeddings.ts';
import { ModelError } from './errors.ts';
import type { DiffusionModel } from './model.ts';
import { randn } from './noise.ts';
import { pipelineConfig, plan } from './schedulers/index.ts';
import { areFinite, checkShape } from './tensors.ts';

export { type DiffusionModel, loadModel } from './model.ts';

/** Prompts and seeds in, images out. */
export interface Sampler {
  /** The images asked for are filled up to a multiple of so many, by copies; 1 where they are not. */
  readonly rows: number;
  /**
   * One image for each wanted, in order. An image depends on its prompt and seed, not on the others.
   * @throws what `signal` was aborted with, between two steps
   */
  sample(wanted: readonly Wanted[], signal?: AbortSignal): Promise<RawImage[]>;
  /**
   * One call of each graph with that many rows: the first step from noise, and noise decoded.
   * @returns the images. @throws ModelError when a graph gives something that is not a number
   */
  trial(rows: number): Promise<RawImage[]>;
}

export interface Wanted {
  readonly prompt: string;
  /** An integer in 0..2^32-1; see `randn`. */
  readonly seed: number;
}

export interface Sampling {
  /** One of SCHEDULERS; left out, the model's own. */
  readonly scheduler?: string | undefined;
  readonly steps: number;
  readonly guidanceScale: number;
  /** Shares of the steps between which they are guided; left out, all are. */
  readonly guidanceInterval?: GuidanceInterval | undefined;
  readonly negativePrompt: string;
  /** Pixels. */
  readonly height: number;
  readonly width: number;
}

export interface SamplerOptions {
  /** Every call gets exactly this many rows: fewer are filled up, more are split. Steady shapes suit CUDA. */
  readonly padTo?: number;
  /** Bits of each value of the images; 8 where left out. */
  readonly bitDepth?: BitDepth;
  /** Sees the latents of a call after each of its steps; they are overwritten later. */
  readonly onStep?: (latents: Float32Array, step: number) => void;
}

/** @throws ModelError when the model cannot do what is asked */
export function createSampler(model: DiffusionModel, sampling: Sampling, options: SamplerOptions = {}): Sampler {
  const setting = settingOf(model, sampling);
  const fixed = fixedRows(model, setting);
  const rows = fixed ?? options.padTo;
  const embeddings = createEmbeddings(model, options.padTo);
  // Memory that is free for the next batch; while a batch has it, it is not here.
  let free: Workspace | undefined;
  const { negativePrompt } = sampling;
  const { onStep, bitDepth = 8 } = options;
  const sampleRows = async (wanted: readonly Wanted[], signal?: AbortSignal): Promise<RawImage[]> => {
    const workspace = free?.rows === wanted.length ? free : createWorkspace(model, setting, wanted.length);
    free = undefined;
    const batch = { model, setting, embeddings, workspace, negativePrompt, onStep, bitDepth };
    const images = await sampleBatch(batch, wanted, signal);
    free = workspace;
    return images;
  };
  return {
    rows: rows ?? 1,
    trial: (count) => tryOnce({ model, setting, embeddings, negativePrompt, bitDepth }, fixed ?? count),
    async sample(wanted, signal) {
      if (wanted.length === 0) return [];
      if (rows === undefined) return sampleRows(wanted, signal);
      const images: RawImage[] = [];
      for (let at = 0; at < wanted.length; at += rows) {
        const part = wanted.slice(at, at + rows);
        const filled = Array.from({ length: rows }, (_, i) => part[i] ?? part[0]!);
        images.push(...(await sampleRows(filled, signal)).slice(0, part.length));
      }
      return images;
    },
  };
}

/** Checks what is asked against the model, once. */
function settingOf(model: DiffusionModel, sampling: Sampling): DenoiseSetting {
  const { vae, unet, scheduler, tokenizer, textEncoder } = model;
  const { height, width, guidanceScale, guidanceInterval, steps } = sampling;
  for (const [field, value] of Object.entries({ height, width })) {
    if (!Number.isInteger(value / vae.scale) || value <= 0) {
      throw new ModelError(`sampling.${field}: ${value} is not a multiple of ${vae.scale}, as this model needs`);
    }
  }
  const name = SCHEDULERS.find((known) => known === (sampling.scheduler ?? scheduler.name));
  if (!name) throw new ModelError(`sampling.scheduler: ${sampling.scheduler} is not one of ${SCHEDULERS.join(', ')}`);
  const latents = [vae.latentChannels, height / vae.scale, width / vae.scale];
  checkShape(textEncoder.session, textEncoder.ids, [1, tokenizer.length]);
  checkShape(unet.session, unet.ports.sample, [null, ...latents]);
  checkShape(unet.session, unet.ports.encoder_hidden_states, [null, tokenizer.length, textEncoder.width]);
  checkShape(vae.session, vae.input, [null, ...latents]);
  const schedule = plan(name, pipelineConfig(scheduler.config, scheduler.name, name), steps);
  const guided = guidedSteps(guidanceScale, guidanceInterval, schedule.steps.length);
  return { schedule, guidanceScale, guided, height: height / vae.scale, width: width / vae.scale };
}

/**
 * How many images a call must have, where the graphs were exported for a fixed batch.
 * @throws ModelError when they do not go together
 */
function fixedRows({ unet, vae }: DiffusionModel, setting: DenoiseSetting): number | undefined {
  const [ofUnet, ofVae] = [unet.ports.sample.shape[0], vae.input.shape[0]];
  const kinds = kindsOf(setting);
  if (typeof ofUnet === 'number' && kinds.length > 1) {
    throw new ModelError(
      `${unet.session.file} is fixed to a batch of ${ofUnet}, so sampling.guidanceInterval cannot change it between steps; export it with dynamic axes`,
    );
  }
  const rows = typeof ofUnet === 'number' ? (kinds[0] === 'guided' ? ofUnet / 2 : ofUnet) : undefined;
  const decoded = typeof ofVae === 'number' ? ofVae : undefined;
  if (!Number.isInteger(rows ?? 1) || (rows !== undefined && decoded !== undefined && rows !== decoded)) {
    throw new ModelError(
      `${unet.session.file} is fixed to a batch of ${ofUnet}, ${vae.session.file} to ${ofVae}; export them with dynamic axes`,
    );
  }
  return rows ?? decoded;
}

interface Batch {
  readonly model: DiffusionModel;
  readonly setting: DenoiseSetting;
  readonly embeddings: Embeddings;
  readonly workspace: Workspace;
  readonly negativePrompt: string;
  readonly onStep?: SamplerOptions['onStep'];
  readonly bitDepth?: BitDepth;
}

async function sampleBatch(batch: Batch, wanted: readonly Wanted[], signal?: AbortSignal): Promise<RawImage[]> {
  const latents = await denoiseBatch(batch, wanted, signal);
  return imagesOf(batch, await decodeLatents(batch.model, latents, batch.setting), wanted.length);
}

async function denoiseBatch(batch: Batch, wanted: readonly Wanted[], signal?: AbortSignal): Promise<Float32Array> {
  const { model, setting, workspace, negativePrompt, onStep } = batch;
  const isGuided = kindsOf(setting).includes('guided');
  const prompts = [...wanted.map(({ prompt }) => prompt), ...(isGuided ? [negativePrompt] : [])];
  const embeddings = await batch.embeddings.of(prompts);
  const negative = isGuided ? embeddings.pop() : undefined;
  const noise = noiseOf(wanted, model.vae.latentChannels * setting.height * setting.width);
  return denoise(model, setting, workspace, { noise, embeddings, negative, signal, onStep });
}

function imagesOf(
  { model, setting, bitDepth }: Pick<Batch, 'model' | 'setting' | 'bitDepth'>,
  values: Float32Array,
  rows: number,
): RawImage[] {
  const { scale, imageChannels } = model.vae;
  const size = { width: setting.width * scale, height: setting.height * scale };
  const length = values.length / rows;
  return Array.from({ length: rows }, (_, i) =>
    toRawImage(values.subarray(i * length, (i + 1) * length), imageChannels, size, bitDepth),
  );
}

async function tryOnce(batch: Omit<Batch, 'workspace' | 'onStep'>, rows: number): Promise<RawImage[]> {
  const { model, setting, negativePrompt } = batch;
  const wanted = Array.from({ length: rows }, (_, seed) => ({ prompt: negativePrompt, seed }));
  // The largest call that there is: a guided step where there is one.
  const at = Math.min(setting.guided.from, setting.schedule.steps.length - 1);
  const schedule = { ...setting.schedule, steps: setting.schedule.steps.slice(at, at + 1) };
  const guided = { from: 0, to: Math.min(1, setting.guided.to - setting.guided.from) };
  const once = { ...setting, schedule, guided };
  const workspace = createWorkspace(model, once, rows);
  await denoiseBatch({ ...batch, setting: once, workspace }, wanted);
  // Latents after one step are larger than a decoder ever has to take; noise has the variance of finished ones.
  const values = await decodeLatents(
    model,
    noiseOf(wanted, model.vae.latentChannels * setting.height * setting.width),
    setting,
  );
  if (areFinite(values)) return imagesOf(batch, values, rows);
  throw new ModelError(
    `${model.vae.session.file} gives values that are not numbers (NaN or infinite), which become black images; ` +
      'use the decoder in float32 (docs/models.md)',
  );
}

/** Each row from its own generator, so that its noise does not depend on its place. */
function noiseOf(wanted: readonly Wanted[], length: number): Float32Array {
  const noise = new Float32Array(wanted.length * length);
  for (const [i, { seed }] of wanted.entries()) randn(seed, noise.subarray(i * length, (i + 1) * length));
  return noise;
}
