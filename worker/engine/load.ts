import type { ProviderName, SessionOptions } from '../../diffusion/onnx.ts';
import { createSampler, loadModel } from '../../diffusion/pipeline.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { loadEncoder } from '../encoder/encoder.ts';
import { type LoadedGate, loadGate } from '../gate/gate.ts';
import { loadNovelty } from '../gate/novelty.ts';
import type { ImageRequest, StartMessage, Verdicts } from './messages.ts';
import { tryBatch } from './trial.ts';

/** The contents of an engine: the model and the gates, on ONNX Runtime, in this process. */

export interface LoadedEngine {
  /** Samples and judges one batch of full size. @throws Failure when that cannot be done */
  trial(): Promise<void>;
  generate(images: readonly ImageRequest[]): Promise<RawImage[]>;
  judge(images: readonly RawImage[], requests: readonly ImageRequest[]): Promise<Judgement>;
}

export type ToLoad = Pick<StartMessage, 'model' | 'sampling' | 'batchSize' | 'threads' | 'gates' | 'encoder'>;

export interface Judgement {
  /** For each image, by gate in the order of the spec. */
  readonly verdicts: readonly Verdicts[];
  /** The feature vector of each image; null without an encoder. */
  readonly features: readonly Uint16Array[] | null;
}

/** Loads gates of every kind. @throws Failure that names what is wrong with a file */
export function loadGates(gates: StartMessage['gates'], options: SessionOptions): Promise<LoadedGate[]> {
  return Promise.all(
    gates.map((one) =>
      'reference' in one
        ? loadNovelty(one.gate, one.reference, options)
        : loadGate(one.gate, one.dir, { ...options, ...one }),
    ),
  );
}

/** Loads the model and the gates. @throws Failure that names what is wrong with a file */
export async function loadEngine(toLoad: ToLoad, provider: ProviderName): Promise<LoadedEngine> {
  const { threads } = toLoad;
  const options = { provider, ...(threads !== null && { threads }) };
  const model = await loadModel(toLoad.model, options);
  const sampler = createSampler(model, toLoad.sampling, provider === 'cuda' ? { padTo: toLoad.batchSize } : {});
  const encoder = toLoad.encoder === null ? null : await loadEncoder(toLoad.encoder, options);
  const gates = await loadGates(toLoad.gates, options);
  return {
    trial: () => tryBatch({ sampler, gates, encoder, toLoad }),
    generate: (images) => sampler.sample(images),
    async judge(images, samples) {
      const features = encoder && (await encoder.encode(images));
      const all: Record<string, Verdicts[string]>[] = images.map(() => ({}));
      for (const gate of gates) {
        (await gate.judge(images, samples, features ?? undefined)).forEach((verdict, i) => {
          if (verdict) all[i]![gate.name] = verdict;
        });
      }
      return { verdicts: all, features };
    },
  };
}
