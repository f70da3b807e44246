import { sha256 } from '../contract/digest.ts';
import { Failure, UsageError } from '../contract/failure.ts';
import type { Manifest } from '../contract/schema/manifest.ts';
import { type SampleRecord, sampleRecordSchema, shardRecordSchema } from '../contract/schema/record.ts';
import { listMembers } from '../dataset/shard/tar.ts';
import { readStored } from '../dataset/stored.ts';
import { bitDepthOf, decodeImage, levelOf, type RawImage } from '../platform/image/image.ts';
import type { ObjectStore } from '../platform/store/store.ts';
import type { Engine } from './engine/engine.ts';

/** Regenerating one published sample and comparing it with what was published. */

export interface Published {
  readonly record: SampleRecord;
  readonly image: Uint8Array;
  readonly shard: string;
  /** The hardware that the shard was made on, as its record names it. */
  readonly hardware: string;
}

/** Reads one sample out of its shard. @throws UsageError when the dataset has no such sample, Failure when its shard is damaged */
export async function readPublished(store: ObjectStore, manifest: Manifest, key: string): Promise<Published> {
  const index = /^\d+$/.test(key) ? Number(key) : Number.NaN;
  const shard = manifest.shards.find(({ start, end }) => start <= index && index < end);
  if (!shard)
    throw new Failure(
      'DatasetDamaged',
      `there is no sample ${JSON.stringify(key)}; keys go from ${manifest.shards[0]?.start ?? 0} to ${(manifest.shards.at(-1)?.end ?? 0) - 1}`,
    );
  const bytes = await store.get(shard.key);
  if (!bytes) throw new Failure('DatasetDamaged', `${store.uri}/${shard.key} is missing`);
  if (sha256(bytes) !== shard.sha256) {
    throw new Failure(
      'DatasetDamaged',
      `${store.uri}/${shard.key} is damaged: its SHA-256 is not the manifest's; run cohortfarm verify`,
    );
  }
  const members = listMembers(bytes).filter(({ name }) => Number(name.split('.')[0]) === index);
  const content = (extension: string): Uint8Array | undefined => {
    const member = members.find(({ name }) => name.endsWith(`.${extension}`));
    return member && bytes.subarray(member.offset, member.offset + member.size);
  };
  const [json, image] = [content('json'), content('jpg') ?? content('png')];
  if (!json || !image)
    throw new UsageError(`sample ${key} was exhausted: no attempt passed every gate, so it has no image`);
  const record = sampleRecordSchema.parse(JSON.parse(Buffer.from(json).toString()));
  const committed = await readStored(store, shard.record, shardRecordSchema);
  return { record, image, shard: shard.key, hardware: committed?.provider ?? manifest.providers.join('+') };
}

export interface Comparison {
  /** The encoded files are equal byte for byte. */
  readonly identical: boolean;
  /** Largest difference of a decoded pixel, in grey levels (0..255), also where a level has steps. */
  readonly maxDifference: number;
  readonly regenerated: Uint8Array;
}

/** An engine with the dataset's model, and the encoder that goes with it. */
export interface Replayer {
  readonly sample: Engine['sample'];
  encode(image: RawImage, prompt: string): Promise<Uint8Array>;
}

/** Generates a sample again from its record's prompt and seed, and compares the two images. */
export async function replaySample({ sample, encode }: Replayer, { record, image }: Published): Promise<Comparison> {
  const { prompt, seed, axes, exact } = record;
  const [sampled] = await sample([{ prompt, seed, axes, exact }]);
  const regenerated = await encode(sampled!.image, prompt);
  const [ours, theirs] = [await decodeImage(regenerated), await decodeImage(image)];
  const [made, published] = [formOf(ours), formOf(theirs)];
  if (made !== published)
    throw new Failure('DatasetDamaged', `the regenerated image is ${made}, the published one ${published}`);
  let most = 0;
  for (let i = 0; i < ours.data.length; i++) most = Math.max(most, Math.abs(ours.data[i]! - theirs.data[i]!));
  const maxDifference = most / levelOf(ours.data);
  return { identical: Buffer.compare(regenerated, image) === 0, maxDifference, regenerated };
}

const formOf = ({ height, width, channels, data }: RawImage): string =>
  `${height}x${width}x${channels} of ${bitDepthOf(data)} bits`;
