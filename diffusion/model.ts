import { join } from 'node:path';
import { z } from 'zod';
import { ModelError } from './errors.ts';
import { exists, readJson, requireFiles } from './files.ts';
import { openSession, type Port, type Session, type SessionOptions } from './onnx.ts';
import { type SchedulerConfig, schedulerConfigSchema } from './schedulers/config.ts';
import { type SchedulerName, schedulerOfClass, supportedClasses } from './schedulers/index.ts';
import { inputPorts, outputPort } from './tensors.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

/** A Stable Diffusion model in use: its graphs and what its configurations say about them. */
export interface DiffusionModel {
  readonly dir: string;
  readonly tokenizer: Tokenizer;
  /** The model's own sampler; the configuration as it is in the file. */
  readonly scheduler: { readonly name: SchedulerName; readonly config: SchedulerConfig };
  readonly textEncoder: {
    readonly session: Session;
    readonly ids: Port;
    readonly hidden: Port;
    readonly width: number;
  };
  readonly unet: {
    readonly session: Session;
    readonly ports: Record<'sample' | 'timestep' | 'encoder_hidden_states', Port>;
    readonly output: Port;
  };
  readonly vae: {
    readonly session: Session;
    readonly input: Port;
    readonly output: Port;
    /** Latents are divided by this before decoding. */
    readonly scalingFactor: number;
    /** Pixels per latent in each direction. */
    readonly scale: number;
    readonly latentChannels: number;
    readonly imageChannels: 1 | 3;
  };
  release(): Promise<void>;
}

const modelIndex = z.looseObject({ _class_name: z.string() });
const textConfig = z.looseObject({
  max_position_embeddings: z.int().min(3).optional(),
  hidden_size: z.int().min(1).optional(),
});
const vaeConfig = z.looseObject({
  block_out_channels: z.array(z.int()).min(1).max(16),
  latent_channels: z.int().min(1).optional(),
  out_channels: z.int().optional(),
  scaling_factor: z.number().positive().optional(),
  shift_factor: z.number().nullish(),
  latents_mean: z.array(z.number()).nullish(),
  latents_std: z.array(z.number()).nullish(),
});

const GRAPHS = ['text_encoder', 'unet', 'vae_decoder'] as const;
const CONFIGS = [
  'model_index.json',
  'scheduler/scheduler_config.json',
  'tokenizer/tokenizer_config.json',
  ...GRAPHS.map((name) => `${name}/config.json`),
];
const PIPELINES = ['StableDiffusionPipeline', 'ORTStableDiffusionPipeline', 'OnnxStableDiffusionPipeline'];

/** @throws ModelError that names each missing file, or the file that is wrong */
export async function loadModel(dir: string, options: SessionOptions): Promise<DiffusionModel> {
  const words = (await exists(dir, 'tokenizer/tokenizer.json')) ? [] : ['tokenizer/vocab.json', 'tokenizer/merges.txt'];
  await requireFiles(dir, [...CONFIGS, ...words, ...GRAPHS.map((name) => `${name}/model.onnx`)]);
  const index = await readJson(dir, 'model_index.json', modelIndex);
  if (!PIPELINES.includes(index._class_name)) {
    throw new ModelError(
      `${join(dir, 'model_index.json')}: ${index._class_name} is not supported; only StableDiffusionPipeline (1 and 2) is`,
    );
  }
  const scheduler = await loadScheduler(dir);
  const text = await readJson(dir, 'text_encoder/config.json', textConfig);
  const vae = await readJson(dir, 'vae_decoder/config.json', vaeConfig);
  const tokenizer = await loadTokenizer(dir, text.max_position_embeddings ?? 77);
  const [textSession, unetSession, vaeSession] = await openAll(dir, options);
  return {
    dir,
    tokenizer,
    scheduler,
    textEncoder: describeTextEncoder(textSession!, text.hidden_size),
    unet: describeUnet(unetSession!),
    vae: describeVae(vaeSession!, vae),
    release: async () => {
      await Promise.all([textSession, unetSession, vaeSession].map((session) => session!.release()));
    },
  };
}

async function openAll(dir: string, options: SessionOptions): Promise<Session[]> {
  const sessions: Session[] = [];
  for (const name of GRAPHS) {
    // The decoder runs once for all steps of the others, and takes more memory than they do.
    const returnsMemory = name === 'vae_decoder';
    sessions.push(await openSession(join(dir, name, 'model.onnx'), { ...options, returnsMemory }));
  }
  return sessions;
}

async function loadScheduler(dir: string): Promise<DiffusionModel['scheduler']> {
  const path = 'scheduler/scheduler_config.json';
  const config = await readJson(dir, path, schedulerConfigSchema, 32 * 2 ** 20);
  const name = schedulerOfClass(config._class_name ?? '');
  if (!name) {
    throw new ModelError(
      `${join(dir, path)}: _class_name ${config._class_name} is not supported; use one of ${supportedClasses()}`,
    );
  }
  return { name, config };
}

function describeTextEncoder(session: Session, hiddenSize?: number): DiffusionModel['textEncoder'] {
  const hidden = outputPort(session, 'last_hidden_state');
  const stated = hidden.shape[2];
  const width = typeof stated === 'number' ? stated : hiddenSize;
  if (hidden.shape.length !== 3 || width === undefined) {
    throw new ModelError(
      `${session.file}: output ${hidden.name} has the shape [${hidden.shape.join(', ')}], not [batch, tokens, a fixed width]`,
    );
  }
  return { session, ids: inputPorts(session, ['input_ids']).input_ids, hidden, width };
}

function describeUnet(session: Session): DiffusionModel['unet'] {
  const ports = inputPorts(session, ['sample', 'timestep', 'encoder_hidden_states']);
  return { session, ports, output: outputPort(session, 'out_sample') };
}

function describeVae(session: Session, config: z.infer<typeof vaeConfig>): DiffusionModel['vae'] {
  const input = inputPorts(session, ['latent_sample']).latent_sample;
  const output = outputPort(session, 'sample');
  const file = session.file.replace('model.onnx', 'config.json');
  for (const field of ['shift_factor', 'latents_mean', 'latents_std'] as const) {
    const value = config[field];
    // StableDiffusionPipeline of diffusers does not apply these, so a model that has them was not made for it.
    if (value) throw new ModelError(`${file}: ${field} ${JSON.stringify(value)} is not supported; it must be null`);
  }
  const channels = firstNumber(output.shape[1], config.out_channels, 3);
  if (channels !== 1 && channels !== 3)
    throw new ModelError(`${file}: out_channels ${channels} is not supported; use 1 or 3`);
  return {
    session,
    input,
    output,
    scalingFactor: config.scaling_factor ?? 0.18215,
    scale: 2 ** (config.block_out_channels.length - 1),
    latentChannels: firstNumber(input.shape[1], config.latent_channels, 4),
    imageChannels: channels,
  };
}

const firstNumber = (...values: readonly (number | string | undefined)[]): number =>
  values.find((value) => typeof value === 'number')!;
