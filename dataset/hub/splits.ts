import { UsageError } from '../../contract/failure.ts';

/**
 * Splits of a dataset on the Hub: whole shards, in order. Every shard is balanced by itself, so that each split is, too,
 * and pairs stay together.
 */

export interface Split {
  readonly name: string;
  /** The part of all shards, from 0 to 1. */
  readonly share: number;
}

export const ONE_SPLIT: readonly Split[] = [{ name: 'train', share: 1 }];

/** Reads `train=0.8,test=0.2`. @throws UsageError that names the option */
export function parseSplits(option: string, given: string): Split[] {
  const wrong = (problem: string): UsageError =>
    new UsageError(
      `${option}: ${JSON.stringify(given)} ${problem}; write shares that add up to 1, such as train=0.8,test=0.2`,
    );
  const splits = given.split(',').map((part) => {
    const [, name, share] = /^([a-z][a-z0-9_]{0,31})=(0?\.\d+|1)$/.exec(part.trim()) ?? [];
    if (name === undefined || Number(share) === 0) throw wrong('is not a list of names and shares');
    return { name, share: Number(share) };
  });
  if (new Set(splits.map(({ name }) => name)).size < splits.length) throw wrong('names a split twice');
  if (Math.abs(splits.reduce((sum, { share }) => sum + share, 0) - 1) > 1e-9) throw wrong('does not add up to 1');
  return splits;
}

/** The Parquet file of each shard, in order. @throws UsageError when a split would be empty */
export function parquetFiles(splits: readonly Split[], shards: number): string[] {
  let [begun, end] = [0, 0];
  return splits.flatMap(({ name, share }, i) => {
    const start = end;
    begun += share;
    end = i === splits.length - 1 ? shards : Math.round(begun * shards);
    if (end === start)
      throw new UsageError(
        `split ${name} would get none of the ${shards} shards, which are split as wholes; choose other shares`,
      );
    const five = (n: number): string => String(n).padStart(5, '0');
    return Array.from({ length: end - start }, (_, k) => `data/${name}-${five(k)}-of-${five(end - start)}.parquet`);
  });
}
