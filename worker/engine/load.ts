import type { ProviderName } from '../../diffusion/onnx.ts';
import { createSampler, loadModel } from '../../diffusion/pipeline.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { loadGate } from '../gate/gate.ts';
import type { ImageRequest, StartMessage, Verdicts } from './messages.ts';
import { tryBatch } from './trial.ts';

/** The contents of an engine: the model and the gates, on ONNX Runtime, in this process. */

export interface LoadedEngine {
  /** Samples and judges one batch of full size. @throws Failure when that cannot be done */
  trial(): Promise<void>;
  generate(images: readonly ImageRequest[]): Promise<RawImage[]>;
  /** Verdicts on images, by gate in the order of the spec. */
  judge(images: readonly RawImage[], requests: readonly ImageRequest[]): Promise<Verdicts[]>;
}

export type ToLoad = Pick<StartMessage, 'model' | 'sampling' | 'batchSize' | 'threads' | 'gates'>;

/** Loads the model and the gates. @throws Failure that names what is wrong with a file */
export async function loadEngine(toLoad: ToLoad, provider: ProviderName): Promise<LoadedEngine> {
  const { threads } = toLoad;
  const options = { provider, ...(threads !== null && { threads }) };
  const model = await loadModel(toLoad.model, options);
  const sampler = createSampler(model, toLoad.sampling, provider === 'cuda' ? { padTo: toLoad.batchSize } : {});
  const gates = await Promise.all(
    toLoad.gates.map(({ gate, dir, values }) => loadGate(gate, dir, { ...options, values })),
  );
  return {
    trial: () => tryBatch({ sampler, gates, toLoad }),
    generate: (images) => sampler.sample(images),
    async judge(images, requests) {
      const all: Record<string, Verdicts[string]>[] = images.map(() => ({}));
      for (const gate of gates) {
        (await gate.judge(images, requests)).forEach((verdict, i) => {
          if (verdict) all[i]![gate.name] = verdict;
        });
      }
      return all;
    },
  };
}
