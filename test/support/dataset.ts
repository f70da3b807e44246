import type { z } from 'zod';
import { makePlan, type Plan } from '../../contract/plan/plan.ts';
import type { SyntheticDataset, specSchema } from '../../contract/schema/spec.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import type { Claimant } from '../../dataset/claim.ts';
import { toHalf } from '../../platform/half.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { encodeImage } from '../../platform/image/image.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import type { ImageRequest, Verdicts } from '../../worker/engine/messages.ts';
import { createKeeper } from '../../worker/rejected-store.ts';
import type { ShardContext } from '../../worker/run-shard.ts';

/** Small datasets for tests of what comes after the model: images are drawn from the seed, gates are coins. */

export const SIZE = 64;

/** The claimant of the tests' datasets. */
export const RUN = { owner: { kind: 'Run', id: 'test' } } as const satisfies Claimant;

export type SpecInput = z.input<typeof specSchema>;

/** A document with sensible values; `change` may rewrite its spec before it is parsed. */
export function smallDataset(change: (spec: SpecInput) => void = () => {}): SyntheticDataset {
  const spec: SpecInput = {
    seed: 7,
    quota: { samples: 24, axes: { sex: { values: ['female', 'male'] }, age: { bins: ['18-39', '40-90'] } } },
    prompt: { template: '{age} year old {sex}' },
    model: { uri: 'unused', sampling: { steps: 1, height: SIZE, width: SIZE } },
    quality: {
      maxAttempts: 8,
      gates: [
        { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'unused' },
        { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'unused', tolerance: 16 },
      ],
    },
    output: { uri: 'unused', image: { format: 'png' }, shard: { samples: 10 } },
    workers: { batchSize: 4, checkpointSamples: 4 },
  };
  change(spec);
  return parseDataset({
    apiVersion: 'cohortfarm.dev/v1alpha1',
    kind: 'SyntheticDataset',
    metadata: { name: 'small' },
    spec,
  });
}

/** Changes a spec: images have features, and one that is a near copy of an earlier one of its shard is refused. */
export function withFeatures(spec: SpecInput): void {
  const { quality } = spec;
  spec.quality = {
    ...quality,
    encoder: { modelUri: 'unused' },
    gates: [...(quality?.gates ?? []), { name: 'novel', type: 'Novelty', against: 'Cohort', threshold: 0.05 }],
  };
}

export function planOf(dataset: SyntheticDataset): Plan {
  return makePlan(dataset, {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: SIZE, width: SIZE } },
    gateDigests: dataset.spec.quality.gates.map(() => 'b'.repeat(64)),
    ...(dataset.spec.quality.encoder && { encoderDigest: 'e'.repeat(64) }),
  });
}

/** An image that only the seed decides. */
export function drawImage(seed: number): RawImage {
  const data = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => (Math.imul(seed + 1, i + 1) >>> 13) & 0xff);
  return { width: SIZE, height: SIZE, channels: 1, data };
}

/** Features that only the seed decides; those of one in four images are nearly the same. */
export function drawFeatures(seed: number): Uint16Array {
  const isCopy = seed % 4 === 0;
  const values = Float32Array.from({ length: 6 }, (_, i) => {
    const own = ((Math.imul(seed + 7, i + 3) >>> 5) & 0xff) / 128 - 1;
    return isCopy ? 1 + own / 100 : own;
  });
  const bits = new Uint16Array(values.length);
  toHalf(values, bits);
  return bits;
}

/** An engine of two functions. */
export interface Drawing {
  generate(batch: readonly ImageRequest[]): Promise<RawImage[]>;
  judge(images: readonly RawImage[], batch: readonly ImageRequest[]): Promise<Verdicts[]>;
}

const draw: Drawing['generate'] = async (batch) => batch.map(({ seed }) => drawImage(seed));

const throwCoins: Drawing['judge'] = async (images, batch) =>
  images.map((image, i) => ({
    sex: { score: image.data[9]! % 3 === 0 ? 0.25 : 0.75, passed: image.data[9]! % 3 !== 0 },
    age: { score: batch[i]!.exact.age! + 1, passed: true },
  }));

/** A context whose sex gate refuses about a third of all images, by their first pixels. */
export function drawingContext(
  plan: Plan,
  store: ObjectStore,
  { generate = draw, judge = throwCoins, ...change }: Partial<ShardContext & Drawing> = {},
): ShardContext {
  const { batchSize, checkpointSamples } = plan.spec.workers;
  return {
    plan,
    store,
    async sample(batch) {
      const images = await generate(batch);
      const verdicts = await judge(images, batch);
      const hasFeatures = plan.spec.quality.encoder !== undefined;
      return images.map((image, i) => ({
        image,
        verdicts: verdicts[i]!,
        ...(hasFeatures && { features: drawFeatures(batch[i]!.seed) }),
      }));
    },
    keeper: createKeeper(plan, store),
    encode: (image, prompt) => encodeImage(image, { format: 'png', quality: 95, description: prompt }),
    provider: 'cpu',
    batchSize,
    rows: 1,
    checkpointSamples,
    onBatch: () => {},
    onResume: () => {},
    onSampled: () => {},
    ...change,
  };
}
