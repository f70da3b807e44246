import type { ProviderName } from '../../diffusion/onnx.ts';
import { createSampler, loadModel } from '../../diffusion/pipeline.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { loadEncoder } from '../encoder/encoder.ts';
import { type GateOptions, type LoadedGate, loadGate } from '../gate/gate.ts';
import { loadNovelty } from '../gate/novelty.ts';
import type { ImageRequest, StartMessage, Verdicts } from './messages.ts';
import { tryBatch } from './trial.ts';

/** The contents of an engine: the model and the gates, on ONNX Runtime, in this process. */

export interface LoadedEngine {
  /** Samples and judges one batch of full size. @throws Failure when that cannot be done */
  trial(): Promise<void>;
  /** See `Engine`. */
  readonly rows: number;
  generate(images: readonly ImageRequest[]): Promise<RawImage[]>;
  judge(images: readonly RawImage[], requests: readonly ImageRequest[]): Promise<Judgement>;
}

export type ToLoad = Pick<
  StartMessage,
  'model' | 'sampling' | 'bitDepth' | 'batchSize' | 'threads' | 'gates' | 'encoder'
>;

export interface Judgement {
  /** For each image, by gate in the order of the spec. */
  readonly verdicts: readonly Verdicts[];
  /** The feature vector of each image; null without an encoder. */
  readonly features: readonly Uint16Array[] | null;
}

/** Loads gates of every kind. @throws Failure that names what is wrong with a file */
export function loadGates(gates: StartMessage['gates'], options: GateOptions): Promise<LoadedGate[]> {
  return Promise.all(
    gates.map((one) =>
      'reference' in one
        ? loadNovelty(one.gate, one.reference, options)
        : loadGate(one.gate, one.dir, { ...options, ...one }),
    ),
  );
}

/**
 * Loads the model and the gates.
 * @param isSteady whether every call gets a full batch: CUDA chooses kernels, and keeps memory, for each shape that it sees
 * @throws Failure that names what is wrong with a file
 */
export async function loadEngine(
  toLoad: ToLoad,
  provider: ProviderName,
  isSteady = provider === 'cuda',
): Promise<LoadedEngine> {
  const { threads, batchSize, bitDepth } = toLoad;
  const options = { provider, ...(threads !== null && { threads }) };
  const model = await loadModel(toLoad.model, options);
  const sampler = createSampler(model, toLoad.sampling, {
    ...(bitDepth && { bitDepth }),
    ...(isSteady && { padTo: batchSize }),
  });
  const encoder = toLoad.encoder === null ? null : await loadEncoder(toLoad.encoder, options);
  const gates = await loadGates(toLoad.gates, { ...options, isSteady });
  return {
    rows: sampler.rows,
    trial: () => tryBatch({ sampler, gates, encoder, toLoad }),
    generate: (images) => sampler.sample(images),
    async judge(images, samples) {
      const batch = isSteady ? Array.from({ length: batchSize }, (_, i) => images[i] ?? images[0]!) : images;
      const features = encoder && (await encoder.encode(batch)).slice(0, images.length);
      const all: Record<string, Verdicts[string]>[] = images.map(() => ({}));
      for (const gate of gates) {
        (await gate.judge(batch, samples, features ?? undefined)).forEach((verdict, i) => {
          if (verdict) all[i]![gate.name] = verdict;
        });
      }
      return { verdicts: all, features };
    },
  };
}
