import { canonicalJson, sha256 } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import { makePlan, type Plan, type Sample, samplesBetween, seedOf, shardRange } from '../contract/plan/plan.ts';
import type { Manifest } from '../contract/schema/manifest.ts';
import type { CellTally, SampleRecord } from '../contract/schema/record.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import { createIndex } from '../dataset/publish/index.ts';
import { draftManifest, type ShardEntry } from '../dataset/publish/manifest.ts';
import { sampleMembers } from '../dataset/shard/part.ts';
import { readShardSamples, type ShardSample } from '../dataset/shard/read.ts';
import { paddedSize, TAR_END } from '../dataset/shard/tar.ts';
import { encodeImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';

/**
 * A published dataset of 565,000 images as the browser reads it. Every row of its index is real: prompt, seed and the byte
 * range that the sample has in its shard. Only the shards that are looked at are stored; of the others the manifest says all
 * but the digest. Images are drawn from a pool, since their content does not matter.
 */

export interface Grid {
  /** Values of the race and the finding axes; with 2 sexes and 4 ages they make the cells. */
  readonly races: number;
  readonly findings: number;
  /** Pixels of an image's side. */
  readonly side: number;
}

const SAMPLES = 565_000;
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(3, '0')}`);

function datasetOf({ races, findings, side }: Grid): SyntheticDataset {
  const findingNames = names('finding', findings);
  return parseDataset({
    apiVersion: 'cohortfarm.dev/v1alpha1',
    kind: 'SyntheticDataset',
    metadata: { name: 'balanced' },
    spec: {
      seed: 42,
      quota: {
        samples: SAMPLES,
        axes: {
          sex: { values: ['female', 'male'] },
          age: { bins: ['18-39', '40-59', '60-79', '80-90'] },
          race: { values: names('RACE', races) },
          finding: { values: findingNames },
        },
      },
      prompt: {
        template: '{age} year old {race} {sex}. {impression}',
        impressions: Object.fromEntries(
          findingNames.map((name) => [
            name,
            Array.from(
              { length: 40 },
              (_, i) => `Moderate ${name} in the left lower lobe, unchanged since study ${i} .`,
            ),
          ]),
        ),
      },
      model: { uri: 's3://models/any', sampling: { steps: 75, height: side, width: side } },
      quality: {
        gates: [
          { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'any' },
          { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'any', tolerance: 16 },
          { name: 'finding', axis: 'finding', type: 'Classifier', modelUri: 'any', multiLabel: true },
        ],
      },
      output: { uri: 's3://cohorts/balanced', shard: { samples: 1000 } },
    },
  });
}

/** JPEG images of noisy discs: about as many bytes as a chest image of that size has. */
async function imagePool(side: number): Promise<Uint8Array[]> {
  const images = Array.from({ length: 64 }, (_, n) => {
    const data = Uint8Array.from({ length: side * side }, (_, i) => {
      const [x, y] = [(i % side) / side, Math.floor(i / side) / side];
      const disc = 140 / (1 + Math.exp((Math.hypot(x - 0.5, y - 0.4 - n / 400) - 0.3) * 20));
      const noise = ((Math.imul(i + n * 7919, 2654435761) >>> 24) - 128) / 16;
      return Math.max(0, Math.min(255, 40 + disc + 25 * Math.sin(18 * y + n) + noise));
    });
    return encodeImage({ width: side, height: side, channels: 1, data }, { format: 'jpeg', quality: 95 });
  });
  return Promise.all(images);
}

export interface BenchDataset {
  readonly plan: Plan;
  readonly manifest: Manifest;
  /** Bytes of `index.parquet`. */
  readonly indexBytes: number;
  /** Stores some shards, unless they are there. */
  storeShards(shards: Iterable<number>): Promise<void>;
}

/** Writes the manifest and the index of the dataset. */
export async function writeBenchDataset(store: ObjectStore, grid: Grid): Promise<BenchDataset> {
  const dataset = datasetOf(grid);
  const plan = makePlan(dataset, {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: grid.side, width: grid.side } },
    gateDigests: dataset.spec.quality.gates.map(() => 'b'.repeat(64)),
  });
  const pool = await imagePool(grid.side);
  const imageOf = ({ index }: Sample): Uint8Array => pool[(index * 31) % pool.length]!;
  const index = createIndex(plan.spec, { 'cohortfarm.dataset': plan.name });
  const shards: ShardEntry[] = [];
  for (let shard = 0; shard < plan.shards; shard++) {
    const { start, end } = shardRange(plan, shard);
    const { samples, bytes } = layOut(samplesBetween(plan, start, end), plan, imageOf);
    const key = objects.shard(plan.name, shard);
    index.add(key, samples);
    const record = objects.record(shard);
    shards.push({ key, bytes, sha256: '0'.repeat(64), start, end, accepted: end - start, record });
  }
  const file = Buffer.concat(index.finish());
  const tallies = plan.allocation.grid.cells.map(({ id }, i): CellTally => {
    const [wanted, refused] = [plan.allocation.quotas[i]!, (i * 37) % 90];
    return {
      cell: id,
      wanted,
      accepted: wanted,
      exhausted: 0,
      attempts: wanted + refused,
      rejected: { finding: refused },
    };
  });
  const counted = { shards, tallies, providers: new Set(['cuda']) };
  const files = [{ key: objects.index, bytes: file.length, sha256: sha256(file) }];
  const manifest = { ...draftManifest({ plan, dataset, version: '0.1.0', counted }), files };
  await store.replace(objects.index, file, { contentType: CONTENT_TYPES.parquet });
  await store.replace(objects.manifest, Buffer.from(canonicalJson(manifest)), { contentType: CONTENT_TYPES.json });
  return {
    plan,
    manifest,
    indexBytes: file.length,
    async storeShards(wanted) {
      for (const shard of wanted) await storeShard(store, plan, shard, imageOf);
    },
  };
}

function recordOf(plan: Plan, sample: Sample): SampleRecord {
  const noise = (salt: number): number => ((Math.imul(sample.index + salt, 2654435761) >>> 8) % 1000) / 1000;
  return {
    apiVersion: 'cohortfarm.dev/sample/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    exact: { ...sample.exact },
    prompt: sample.prompt,
    seed: seedOf(plan, sample.index, 0),
    attempt: 0,
    scores: { sex: 0.6 + 0.4 * noise(1), age: sample.exact.age! + 8 * noise(2), finding: 0.5 + 0.5 * noise(3) },
    rejected: [],
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
  };
}

/** Positions of the members of a shard's samples, without the shard. */
function layOut(
  samples: readonly Sample[],
  plan: Plan,
  imageOf: (sample: Sample) => Uint8Array,
): { samples: ShardSample[]; bytes: number } {
  let at = 0;
  const member = (size: number): { offset: number; size: number } => {
    const extent = { offset: at + 512, size };
    at += 512 + paddedSize(size);
    return extent;
  };
  const laid = samples.map((sample): ShardSample => {
    const record = recordOf(plan, sample);
    const image = { ...member(imageOf(sample).length), extension: 'jpg' };
    const text = member(Buffer.byteLength(record.prompt));
    const json = member(Buffer.byteLength(canonicalJson(record)) + 1);
    return { key: sample.key, image, text, json, record };
  });
  return { samples: laid, bytes: at + TAR_END.length };
}

async function storeShard(
  store: ObjectStore,
  plan: Plan,
  shard: number,
  imageOf: (sample: Sample) => Uint8Array,
): Promise<void> {
  const key = objects.shard(plan.name, shard);
  if (await store.stat(key)) return;
  const { start, end } = shardRange(plan, shard);
  const samples = samplesBetween(plan, start, end);
  const members = samples.flatMap((sample) =>
    sampleMembers(sample.key, 'jpg', imageOf(sample), recordOf(plan, sample)),
  );
  const body = Buffer.concat([...members, TAR_END]);
  const [written, laid] = [readShardSamples(body), layOut(samples, plan, imageOf).samples];
  if (canonicalJson(written) !== canonicalJson(laid)) throw new Error(`${key} is not laid out as its index says`);
  await store.create(key, body, { contentType: CONTENT_TYPES.tar });
}
