import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { Failure } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import type { Extent } from '../shard/read.ts';
import { memoize } from './memory.ts';

/** Reading rows of `index.parquet` by range requests: only the columns that say where a sample lies, a row group at a time. */

const COLUMNS = ['image_offset', 'image_size', 'json_offset', 'json_size'] as const;
type Column = (typeof COLUMNS)[number];

/** The place of a sample's members in its shard. */
export interface Place {
  readonly image: Extent;
  readonly json: Extent;
}

export interface IndexFile {
  readonly rows: number;
  /** Places of some rows, in their order. */
  read(rows: readonly number[]): Promise<Place[]>;
}

type Group = Readonly<Record<Column, Float64Array>>;

/** Decoded row groups kept: 320 KB each. */
const KEPT_GROUPS = 200;

/** The index, open for reading by ranges. */
export interface OpenParquet {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  /** First row of each group, and the number of rows. */
  readonly starts: readonly number[];
}

/** Opens the index: one request for its size and one for its footer. @throws Failure when it is missing or no Parquet file */
export async function openParquet(store: ObjectStore): Promise<OpenParquet> {
  const found = await store.stat(objects.index);
  if (!found) throw new Failure('DatasetDamaged', `${store.uri}/${objects.index} is missing; run cohortfarm verify`);
  const file: AsyncBuffer = {
    byteLength: found.size,
    async slice(start, end = found.size) {
      const bytes = await store.get(objects.index, { start, end });
      if (bytes?.length !== end - start)
        throw new Failure('DatasetDamaged', `${store.uri}/${objects.index} is cut off; run cohortfarm verify`);
      return new Uint8Array(bytes).buffer;
    },
  };
  const metadata = await parquetMetadataAsync(file).catch((cause: Error) => {
    if (cause instanceof Failure) throw cause;
    throw new Failure('DatasetDamaged', `${store.uri}/${objects.index} cannot be read: ${cause.message}`, { cause });
  });
  return { file, metadata, starts: startsOf(metadata) };
}

/** The group that holds a row. */
export function groupOf(starts: readonly number[], row: number): number {
  let [low, high] = [0, starts.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= row) low = middle;
    else high = middle;
  }
  return low;
}

/** Opens the index for looking up places. @throws Failure as `openParquet` does */
export async function openIndexFile(store: ObjectStore): Promise<IndexFile> {
  const { file, metadata, starts } = await openParquet(store);
  const groups = memoize(KEPT_GROUPS, (group: number) =>
    readGroup(file, metadata, { start: starts[group]!, end: starts[group + 1]! }),
  );
  return {
    rows: starts.at(-1)!,
    read: (rows) =>
      Promise.all(
        rows.map(async (row) => {
          const group = groupOf(starts, row);
          const columns = await groups(group);
          return placeAt(columns, row - starts[group]!);
        }),
      ),
  };
}

function startsOf({ row_groups: groups }: FileMetaData): number[] {
  const starts = [0];
  for (const { num_rows: rows } of groups) starts.push(starts.at(-1)! + Number(rows));
  return starts;
}

async function readGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  { start, end }: { start: number; end: number },
): Promise<Group> {
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, new Float64Array(end - start)])) as Group;
  await parquetRead({
    file,
    metadata,
    columns: [...COLUMNS],
    rowStart: start,
    rowEnd: end,
    onChunk({ columnName, columnData, rowStart }) {
      const column = columns[columnName as Column];
      for (let i = 0; i < columnData.length; i++) column[rowStart - start + i] = Number(columnData[i]);
    },
  });
  return columns;
}

const placeAt = (columns: Group, i: number): Place => ({
  image: { offset: columns.image_offset[i]!, size: columns.image_size[i]! },
  json: { offset: columns.json_offset[i]!, size: columns.json_size[i]! },
});
