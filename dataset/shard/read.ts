import { type SampleRecord, sampleRecordSchema } from '../../contract/schema/record.ts';
import { listMembers, type Member, TarError } from './tar.ts';

/** Reading a shard back: its samples, and the place of their bytes, to check, index or show them. */

/** The place of a member's content in its shard, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** One sample as the shard holds it. */
export interface ShardSample {
  readonly key: string;
  readonly image: Extent & { readonly extension: string };
  readonly text: Extent;
  readonly json: Extent;
  readonly record: SampleRecord;
}

/** The bytes of an extent; a view, not a copy. */
export const contentOf = (shard: Uint8Array, { offset, size }: Extent): Uint8Array =>
  shard.subarray(offset, offset + size);

/**
 * Lists the samples of a shard held in memory.
 * @throws TarError that names the sample or member that is not as CohortFarm writes it
 */
export function readShardSamples(shard: Uint8Array): ShardSample[] {
  const members = listMembers(shard);
  const samples: ShardSample[] = [];
  for (let i = 0; i < members.length; i += 3) samples.push(readSample(shard, members.slice(i, i + 3)));
  return samples;
}

const NAME = /^(\d{9,})\.(jpg|png)$/;

function readSample(shard: Uint8Array, [image, text, json]: readonly Member[]): ShardSample {
  const [, key, extension] = NAME.exec(image!.name) ?? [];
  if (key === undefined || extension === undefined)
    throw new TarError(`member ${image!.name} is not the image of a sample`);
  if (text?.name !== `${key}.txt` || json?.name !== `${key}.json`) {
    throw new TarError(`sample ${key} is not followed by its .txt and its .json`);
  }
  return {
    key,
    image: { ...extentOf(image!), extension },
    text: extentOf(text),
    json: extentOf(json),
    record: readRecord(key, contentOf(shard, json)),
  };
}

const extentOf = ({ offset, size }: Member): Extent => ({ offset, size });

function readRecord(key: string, bytes: Uint8Array): SampleRecord {
  try {
    return sampleRecordSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch (cause) {
    throw new TarError(`the record of sample ${key} is not valid`, { cause });
  }
}
