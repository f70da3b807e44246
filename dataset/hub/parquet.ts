import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import type { ShardSample } from '../shard/read.ts';
import type { HubColumn } from './columns.ts';

/** A shard as a Parquet file that the Hub's viewer and `datasets` read: images as `{bytes, path}`. */

/** Rows of a group: as `datasets` writes images, so that the viewer reads some megabytes to show a page. */
const ROW_GROUP = 100;

/** The element of an image: `datasets` and the viewer know it by its two fields. */
const IMAGE: readonly SchemaElement[] = [
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
];

/** The file's bytes: the same for the same samples, whatever the machine. */
export function renderParquet(
  columns: readonly HubColumn[],
  samples: readonly ShardSample[],
  images: readonly Uint8Array[],
): Uint8Array {
  const writer = new ByteWriter();
  const columnData = columns.map(({ name, type, value }) => ({
    name,
    nullable: true,
    data: samples.map((sample, i) => value(sample, images[i]!)),
    // Encoded images do not shrink, and no query asks for one by its bytes.
    ...(type === 'image'
      ? { encoding: 'PLAIN' as const, codec: 'UNCOMPRESSED' as const, statistics: false }
      : { type, columnIndex: true }),
  }));
  const parquet = new ParquetWriter({
    writer,
    schema: schemaOf(columns),
    createdBy: 'cohortfarm',
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features: featuresOf(columns) } }) }],
  });
  parquet.write({
    columnData: columnData as Parameters<typeof parquet.write>[0]['columnData'],
    rowGroupSize: ROW_GROUP,
  });
  parquet.finish();
  return writer.getBytes();
}

function schemaOf(columns: readonly HubColumn[]): SchemaElement[] {
  const elements = columns.flatMap(({ name, type }): readonly SchemaElement[] => {
    if (type === 'image') return [{ name, repetition_type: 'OPTIONAL', num_children: IMAGE.length }, ...IMAGE];
    const [, element] = schemaFromColumnData({ columnData: [{ name, type, nullable: true, data: [] }] });
    return [element as SchemaElement];
  });
  return [{ name: 'root', num_children: columns.length }, ...elements];
}

/** The types as `datasets` keeps them in the file itself. */
const featuresOf = (columns: readonly HubColumn[]): Record<string, object> =>
  Object.fromEntries(
    columns.map(({ name, feature }) => [
      name,
      feature === 'image' ? { _type: 'Image' } : { dtype: feature, _type: 'Value' },
    ]),
  );
