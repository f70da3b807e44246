import { Failure } from '../../contract/failure.ts';
import { MAX_DIMENSIONS } from '../../contract/schema/encoder.ts';
import { areFinite, fromHalf } from '../../platform/half.ts';
import { MAX_NPY_HEADER, readNpyHeader } from '../../platform/npy.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { uint16Of } from '../../platform/uint16.ts';
import { type Features, featuresOf } from '../evidence/features.ts';
import { limited, memoize } from './memory.ts';
import type { Source } from './source.ts';

/** Feature vectors of some samples, by range requests: of a shard only the rows that are asked for, and what lies between. */

export interface SampleFeatures {
  /** Samples that have features, in the order asked for. */
  readonly indices: readonly number[];
  /** A row for each. */
  readonly features: Features;
}

/** Bytes between two rows that are read rather than asked for by themselves. */
const GAP = 64 * 1024;
/** Bytes of one request, at most. */
const MOST = 4 * 2 ** 20;
const READERS = 16;
const KEPT_SHARDS = 10_000;

interface File {
  readonly key: string;
  readonly begin: number;
  readonly rows: number;
  readonly columns: number;
}

interface Row {
  readonly index: number;
  readonly row: number;
}

/** Reads features. What is exhausted, still to come or without finite numbers is left out. */
export function createFeatureReader(
  store: ObjectStore,
  source: () => Promise<Source>,
): (indices: readonly number[]) => Promise<SampleFeatures> {
  const reader = limited(READERS);
  const open = memoize(KEPT_SHARDS, (key: string) => reader(() => openFile(store, key)));
  const readShard = async (key: string, rows: readonly Row[]): Promise<[number, Float32Array][]> => {
    const file = await open(key);
    const runs = await Promise.all(runsOf(rows, file).map((run) => reader(() => readRun(store, file, run))));
    return runs.flat();
  };
  return async (indices) => {
    const { featureRow } = await source();
    const byShard = new Map<string, Row[]>();
    for (const [i, found] of (await Promise.all(indices.map(featureRow))).entries()) {
      if (!found) continue;
      byShard.set(found.key, [...(byShard.get(found.key) ?? []), { index: indices[i]!, row: found.row }]);
    }
    const vectors = new Map((await Promise.all([...byShard].map(([key, rows]) => readShard(key, rows)))).flat());
    const found = indices.filter((index) => vectors.has(index));
    const dimensions = vectors.get(found[0] ?? -1)?.length ?? 0;
    const other = found.find((index) => vectors.get(index)!.length !== dimensions);
    if (other !== undefined)
      throw new Failure(
        'DatasetDamaged',
        `features of sample ${other} are ${vectors.get(other)!.length} numbers, those of others ${dimensions}; run cohortfarm verify`,
      );
    return {
      indices: found,
      features: featuresOf(
        found.map((index) => vectors.get(index)!),
        dimensions,
      ),
    };
  };
}

async function openFile(store: ObjectStore, key: string): Promise<File> {
  const head = await store.get(key, { start: 0, end: MAX_NPY_HEADER });
  const damaged = (what: string): Failure => new Failure('DatasetDamaged', `${key} ${what}; run cohortfarm verify`);
  if (!head) throw damaged('is missing');
  try {
    const header = readNpyHeader(head);
    if (header.columns < 1 || header.columns > MAX_DIMENSIONS) throw new Error(`it has ${header.columns} columns`);
    return { key, ...header };
  } catch (error) {
    throw damaged(`cannot be read: ${(error as Error).message}`);
  }
}

/** Rows in order, those together that one request gets. */
function runsOf(rows: readonly Row[], { columns }: File): Row[][] {
  const size = columns * 2;
  const runs: Row[][] = [];
  for (const one of rows.toSorted((a, b) => a.row - b.row)) {
    const run = runs.at(-1);
    const joins = run && (one.row - run.at(-1)!.row) * size <= GAP && (one.row - run[0]!.row) * size <= MOST;
    if (joins) run.push(one);
    else runs.push([one]);
  }
  return runs;
}

async function readRun(
  store: ObjectStore,
  { key, begin, rows, columns }: File,
  run: readonly Row[],
): Promise<[number, Float32Array][]> {
  const [first, last] = [run[0]!.row, run.at(-1)!.row];
  if (last >= rows)
    throw new Failure(
      'DatasetDamaged',
      `${key} has ${rows} rows, fewer than its shard has images; run cohortfarm verify`,
    );
  const size = columns * 2;
  const bytes = await store.get(key, { start: begin + first * size, end: begin + (last + 1) * size });
  if (!bytes) throw new StoreError('retryable', `${store.uri}/${key} is gone; try again`);
  if (bytes.length !== (last + 1 - first) * size)
    throw new Failure('DatasetDamaged', `${key} is cut off; run cohortfarm verify`);
  return run.flatMap(({ index, row }) => {
    const bits = uint16Of(bytes.subarray((row - first) * size, (row - first + 1) * size));
    return areFinite(bits) ? [[index, fromHalf(bits)] as [number, Float32Array]] : [];
  });
}
