import { canonicalFile } from '../../contract/digest.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { describeIndex, indexColumns } from '../publish/index.ts';
import { contentOf, type ShardSample } from '../shard/read.ts';
import type { Digest } from '../stored.ts';

/**
 * MosaicML Streaming's format (MDS, version 2), which StreamingDataset reads: a file for each shard, and index.json of all.
 *
 *   samples (uint32) | offsets of the samples and of the end (uint32 each) | the configuration as JSON | samples
 *   a sample: sizes of its columns without a fixed one (uint32 each) | the columns, in the order of their names
 */

interface MdsColumn {
  readonly name: string;
  readonly encoding: 'int' | 'jpeg' | 'png' | 'str';
  readonly encode: (shard: Uint8Array, sample: ShardSample) => Uint8Array;
}

/** Bytes of a column's value; null where each value has its own. */
const SIZES = { int: 8, jpeg: null, png: null, str: null } as const;

const IMAGE = 'image';

/** The image as it was published, and of the index what describes it, by the same names. */
function columnsOf({ dataset: { spec } }: Manifest): MdsColumn[] {
  const { axes, sets = {}, exact } = indexColumns(spec);
  const wanted = new Set(['key', 'prompt', 'seed', ...[axes, sets, exact].flatMap((names) => Object.values(names))]);
  const described = describeIndex(spec).filter(({ name }) => wanted.has(name));
  const taken = new Set([IMAGE, ...described.map(({ name }) => name)]);
  // Of an axis that is called like the image.
  const free = (name: string): string => (taken.has(name) ? free(`axis_${name}`) : name);
  const labels = described.map(({ name, type, value }): MdsColumn => {
    const read = (sample: ShardSample) => value('', sample, 0)!;
    return {
      name: name === IMAGE ? free(name) : name,
      ...(type === 'STRING'
        ? { encoding: 'str', encode: (_, sample) => Buffer.from(String(read(sample))) }
        : { encoding: 'int', encode: (_, sample) => int64(BigInt(read(sample))) }),
    };
  });
  const image: MdsColumn = {
    name: IMAGE,
    encoding: spec.output.image.format,
    encode: (shard, sample) => contentOf(shard, sample.image),
  };
  return [image, ...labels].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The description of the columns in shards and index. */
const configurationOf = (columns: readonly MdsColumn[]) => ({
  version: 2,
  format: 'mds',
  compression: null,
  hashes: ['sha256'],
  size_limit: null,
  column_names: columns.map(({ name }) => name),
  column_encodings: columns.map(({ encoding }) => encoding),
  column_sizes: columns.map(({ encoding }) => SIZES[encoding]),
});

/** Key of a shard's file. */
export const mdsKey = (shard: number): string => `shard.${String(shard).padStart(5, '0')}.mds`;

/** Renders a shard of the dataset: the same shard gives the same bytes. */
export function renderMds(shard: Uint8Array, samples: readonly ShardSample[], manifest: Manifest): Uint8Array {
  const columns = columnsOf(manifest);
  const configuration = canonicalFile(configurationOf(columns));
  const encoded = samples.map((sample) => {
    const values = columns.map(({ encoding, encode }) => ({ encoding, value: encode(shard, sample) }));
    const sized = values.filter(({ encoding }) => SIZES[encoding] === null);
    return Buffer.concat([uint32(sized.map(({ value }) => value.length)), ...values.map(({ value }) => value)]);
  });
  const offsets = [4 + 4 * (samples.length + 1) + configuration.length];
  for (const { length } of encoded) offsets.push(offsets.at(-1)! + length);
  return Buffer.concat([uint32([samples.length, ...offsets]), configuration, ...encoded]);
}

/** Renders index.json. @param digestOf the files of the shards, by their keys */
export async function renderMdsIndex(
  manifest: Manifest,
  digestOf: (key: string) => Promise<Digest>,
): Promise<Uint8Array> {
  const configuration = configurationOf(columnsOf(manifest));
  const shards: object[] = [];
  for (const [i, { accepted }] of manifest.shards.entries()) {
    if (accepted === 0) continue;
    const basename = mdsKey(i);
    const { bytes, sha256 } = await digestOf(basename);
    const raw_data = { basename, bytes, hashes: { sha256 } };
    shards.push({ ...configuration, samples: accepted, raw_data, zip_data: null });
  }
  return canonicalFile({ version: 2, shards });
}

function uint32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
