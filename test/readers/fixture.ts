import { StoppedError } from '../../contract/failure.ts';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { type BitDepth, encodeImage, type RawImage } from '../../platform/image/image.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { runShard, type ShardContext } from '../../worker/run-shard.ts';
import { type Drawing, drawingContext, planOf, RUN, smallDataset } from '../support/dataset.ts';

/** A dataset with every feature that a reader could stumble over, grown without a model. */

const FINDINGS: Readonly<Record<string, string[]>> = {
  'no-finding': ['No acute cardiopulmonary process .', 'Lungs are clear .'],
  cardiomegaly: ['The heart is enlarged .'],
  edema: ['Mild interstitial edema, "new" since <prior> .', 'Pulmonary edema | both bases .'],
  effusion: ['Small left pleural effusion .'],
};

/** Four axes with an exclusion, so that cells differ in size, and two gates, one of which does not judge every value. */
export function readersDataset(format: 'jpeg' | 'png', samples = 90, bitDepth: BitDepth = 8): SyntheticDataset {
  return smallDataset((spec) => {
    spec.quota = {
      samples,
      axes: {
        sex: { values: ['female', 'male'] },
        age: { bins: ['18-39', '40-59', '60-79'] },
        race: { values: ['ASIAN', 'BLACK', 'WHITE'] },
        finding: { values: Object.keys(FINDINGS) },
      },
      exclude: [{ finding: 'edema', age: '18-39' }],
    };
    spec.prompt = { template: '{age} year old {race} {sex}. {impression}', impressions: FINDINGS };
    spec.quality = {
      maxAttempts: 3,
      onExhausted: 'Shortfall',
      gates: [
        { name: 'finding', axis: 'finding', type: 'Classifier', modelUri: 'gates/finding', multiLabel: true },
        { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'gates/age', tolerance: 16 },
        { name: 'race', axis: 'race', type: 'Classifier', modelUri: 'gates/race', appliesTo: ['ASIAN', 'WHITE'] },
      ],
    };
    spec.output = { uri: 'unused', image: { format, quality: 90, bitDepth }, shard: { samples: 40 } };
  });
}

/** The same with an image of two findings in some cells. */
export function combined(dataset: SyntheticDataset): SyntheticDataset {
  const { finding } = dataset.spec.quota.axes;
  const axes = { ...dataset.spec.quota.axes, finding: { ...finding!, combinations: [['cardiomegaly', 'effusion']] } };
  return { ...dataset, spec: { ...dataset.spec, quota: { ...dataset.spec.quota, axes } } };
}

/** The same with all that a publisher can say about it. */
export function described(dataset: SyntheticDataset): SyntheticDataset {
  const annotations = {
    [PUBLICATION_ANNOTATIONS.title]: 'Small "cohort" of <discs>',
    [PUBLICATION_ANNOTATIONS.license]: 'CC-BY-4.0',
    [PUBLICATION_ANNOTATIONS.creator]: 'A laboratory',
    [PUBLICATION_ANNOTATIONS.url]: 'https://example.org/small',
    [PUBLICATION_ANNOTATIONS.citation]: '@misc{small, title={Small}}',
    [PUBLICATION_ANNOTATIONS.datePublished]: '2026-01-31',
  };
  return { ...dataset, metadata: { ...dataset.metadata, annotations } };
}

/** Grows and publishes a dataset in a store. */
export async function growDataset(
  store: ObjectStore,
  dataset: SyntheticDataset,
): Promise<{ plan: Plan; manifest: Manifest }> {
  const plan = planOf(dataset);
  await growShards(store, plan, [...Array(plan.shards).keys()]);
  return { plan, manifest: await publish({ plan, dataset, ...RUN, store, version: '0.1.0' }) };
}

/** Brings some shards to their commit, or only some parts of each into the store. */
export async function growShards(
  store: ObjectStore,
  plan: Plan,
  shards: readonly number[],
  { partsOf = Number.POSITIVE_INFINITY } = {},
): Promise<void> {
  for (const shard of shards) {
    let batches = 0;
    const context = drawingContext(plan, store, {
      generate: async (batch) => {
        if (++batches > partsOf) throw new StoppedError('enough');
        return draw(batch);
      },
      judge,
      encode: encoder(plan),
    });
    await runShard(context, shard).catch((error: unknown) => {
      if (!(error instanceof StoppedError)) throw error;
    });
  }
}

const SIZE = 64;

/** A blurred disc whose place and brightness the seed decides. */
const draw: Drawing['generate'] = async (batch) =>
  batch.map(({ seed }): RawImage => {
    const [cx, cy, radius] = [20 + (seed % 24), 20 + ((seed >>> 5) % 24), 10 + ((seed >>> 10) % 14)];
    const data = Uint8Array.from({ length: SIZE * SIZE }, (_, i) => {
      const distance = Math.hypot((i % SIZE) - cx, Math.floor(i / SIZE) - cy);
      return Math.round(24 + 200 / (1 + Math.exp((distance - radius) / 3)) + 20 * Math.sin(i / 97));
    });
    return { width: SIZE, height: SIZE, channels: 1, data };
  });

/** Coins weighted by what was wanted: some findings are harder than others. */
const judge: Drawing['judge'] = async (images, samples) =>
  images.map(({ data }, i) => {
    const { axes, exact } = samples[i]!;
    const coin = (salt: number): number => ((data[9]! * 31 + data[700]! * 17 + data[2100]! * 7 + salt * 41) % 97) / 97;
    const hard = axes.finding === 'edema' ? 0.55 : axes.finding === 'effusion' ? 0.35 : 0.12;
    const off = (coin(3) - 0.5) * 36;
    return {
      finding: { score: 1 - coin(1), passed: coin(1) > hard },
      age: { score: exact.age! + off, passed: Math.abs(off) <= 16 },
      ...(axes.race !== 'BLACK' && { race: { score: 1 - coin(2) / 2, passed: coin(2) > 0.1 } }),
    };
  });

const encoder = (plan: Plan): ShardContext['encode'] => {
  const { format, quality, bitDepth } = plan.spec.output.image;
  return (image, prompt) =>
    encodeImage(bitDepth === 16 ? deepened(image) : image, { format, quality, description: prompt });
};

/** The same picture with values between those of 8 bits. */
const deepened = (image: RawImage): RawImage => ({
  ...image,
  data: Uint16Array.from(image.data, (value, i) => value * 257 + (i % 100)),
});
