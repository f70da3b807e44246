import type { Plan } from '../contract/plan/plan.ts';
import type { ProviderName } from '../diffusion/onnx.ts';
import { createSampler, loadModel } from '../diffusion/pipeline.ts';
import { encodeImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import { loadGate } from './gate/gate.ts';
import type { Prepared } from './prepare.ts';
import { createKeeper } from './rejected-store.ts';
import type { ShardContext, Verdicts } from './run-shard.ts';

/** The real parts that a shard's story needs: model, gates, encoder. */

export interface EngineOptions {
  readonly provider: ProviderName;
  /** Threads within one operator; left out, ONNX Runtime takes all cores. */
  readonly threads?: number;
}

export type Engine = Pick<ShardContext, 'generate' | 'judge' | 'encode'>;

/** What an engine needs of a plan. */
interface EngineParts extends Pick<Prepared, 'modelDir' | 'gateDirs'> {
  readonly plan: {
    readonly spec: Plan['spec'];
    readonly sampling: Plan['sampling'];
    readonly model: { readonly digest: string };
  };
}

/** Loads the model and the gates of a plan. @throws TerminalError or ModelError that names what is wrong with a file */
export async function loadEngine({ plan, modelDir, gateDirs }: EngineParts, options: EngineOptions): Promise<Engine> {
  const model = await loadModel(modelDir, options);
  const padTo = options.provider === 'cuda' ? { padTo: plan.spec.workers.batchSize } : {};
  const sampler = createSampler(model, plan.sampling, padTo);
  const gates = await Promise.all(
    plan.spec.quality.gates.map((gate, i) =>
      loadGate(gate, gateDirs[i]!, { ...options, values: valuesOf(plan.spec, gate.axis) }),
    ),
  );
  const { format, quality } = plan.spec.output.image;
  return {
    generate: (batch) => sampler.sample(batch),
    async judge(images, samples) {
      const all: Record<string, Verdicts[string]>[] = images.map(() => ({}));
      for (const gate of gates) {
        (await gate.judge(images, samples)).forEach((verdict, i) => {
          if (verdict) all[i]![gate.name] = verdict;
        });
      }
      return all;
    },
    encode: (image, prompt) => encodeImage(image, { format, quality, description: prompt, system: systemName(plan) }),
  };
}

const valuesOf = ({ quota }: Plan['spec'], axis: string): readonly string[] =>
  quota.axes[axis]?.values ?? quota.axes[axis]?.bins ?? [];

const systemName = (plan: EngineParts['plan']): string => `CohortFarm, model ${plan.model.digest.slice(0, 12)}`;

/** The whole context of a worker. */
export function shardContext(
  plan: Plan,
  store: ObjectStore,
  engine: Engine,
  rest: Pick<ShardContext, 'provider' | 'stopping' | 'onBatch' | 'onResume'>,
): ShardContext {
  const { batchSize, checkpointSamples } = plan.spec.workers;
  return { plan, store, keeper: createKeeper(plan, store), ...engine, batchSize, checkpointSamples, ...rest };
}
