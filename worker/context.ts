import { hasModel } from '../contract/gates/gate-types.ts';
import { combinationsOf, valuesOf } from '../contract/plan/combinations.ts';
import type { Plan } from '../contract/plan/plan.ts';
import { encodeImage, type RawImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import type { Engine, EngineOptions } from './engine/engine.ts';
import type { GateToLoad } from './engine/messages.ts';
import { hardwareOf } from './hardware.ts';
import type { Prepared } from './prepare.ts';
import type { ShardContext } from './run-shard.ts';

/** From a plan to what its engines load, how its images are encoded, and all that a shard's story needs. */

/** The parts of a plan that an engine and an encoder need. */
export interface PlanParts {
  readonly spec: Plan['spec'];
  readonly gates: Plan['gates'];
  readonly sampling: Plan['sampling'];
  readonly model: { readonly digest: string };
}

/** Everything that an engine of a plan loads. */
export function engineStart(
  { plan, modelDir, gateDirs, encoderDir }: Omit<Prepared, 'plan' | 'referenceDir'> & { readonly plan: PlanParts },
  { provider, threads }: Pick<EngineOptions['start'], 'provider' | 'threads'>,
): EngineOptions['start'] {
  const { workers, quota } = plan.spec;
  const named = (name: string): Pick<GateToLoad, 'values' | 'combinations'> => {
    const axis = Object.hasOwn(quota.axes, name) ? quota.axes[name]! : {};
    return {
      values: valuesOf(axis),
      ...(axis.combinations && { combinations: Object.fromEntries(combinationsOf(axis)) }),
    };
  };
  return {
    model: modelDir,
    sampling: plan.sampling,
    bitDepth: plan.spec.output.image.bitDepth,
    batchSize: workers.batchSize,
    provider,
    threads,
    gates: plan.gates.flatMap((gate, i): EngineOptions['start']['gates'] => {
      if (hasModel(gate)) return [{ gate, dir: gateDirs[i]!, ...named(gate.axis) }];
      return gate.against === 'Training' ? [{ gate, reference: gateDirs[i]! }] : [];
    }),
    encoder: encoderDir,
  };
}

/** Encodes images as a plan wants them, marked with their prompt and the system that made them. */
export function imageEncoder({ spec, model }: PlanParts): (image: RawImage, prompt: string) => Promise<Uint8Array> {
  const { format, quality } = spec.output.image;
  const system = `CohortFarm, model ${model.digest.slice(0, 12)}`;
  return (image, prompt) => encodeImage(image, { format, quality, description: prompt, system });
}

/** The whole context of a shard's story. */
export function shardContext(
  plan: Plan,
  store: ObjectStore,
  engine: Pick<Engine, 'provider' | 'rows' | 'sample'>,
  rest: Pick<ShardContext, 'keeper' | 'onBatch' | 'onResume' | 'onSampled'>,
): ShardContext {
  const { batchSize, checkpointSamples } = plan.spec.workers;
  return {
    plan,
    store,
    sample: (images) => engine.sample(images),
    encode: imageEncoder(plan),
    provider: hardwareOf(engine.provider, batchSize),
    batchSize,
    rows: engine.rows,
    checkpointSamples,
    ...rest,
  };
}
