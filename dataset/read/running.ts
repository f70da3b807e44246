import { sumTallies } from '../../contract/account/tally.ts';
import { objects, parsePartKey, parseRecordKey } from '../../contract/names.ts';
import type { Outline } from '../../contract/schema/manifest.ts';
import { type PartRecord, type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { chainParts, readPartRecord, type StoredPart } from '../shard/part.ts';
import { readStored } from '../stored.ts';
import { limited, memoize } from './memory.ts';
import { type Archive, seekSample } from './seek.ts';
import { type Counts, type FeatureRow, type Located, rowInShard, type Source } from './source.ts';

/**
 * A dataset that is still growing: committed shards by their records, unfinished ones by their stored parts. Both are
 * written once and never changed, so each is read once; only the listings are repeated.
 */

/** A listing serves this long: a short delay does no harm, and a page asks for many things at once. */
const FRESH_MS = 2000;
const READERS = 16;
const KEPT_PARTS = 10_000;

/** The objects of unfinished work in the store. */
interface Work {
  readonly records: ReadonlyMap<number, ShardRecord>;
  /** Parts of shards without a record, those that do not overlap. */
  readonly parts: ReadonlyMap<number, readonly (StoredPart & { readonly bytes: number })[]>;
}

export function openRunning(store: ObjectStore, wanted: Outline, now: () => number): Source {
  const size = wanted.dataset.spec.output.shard.samples;
  const samples = wanted.cells.reduce((sum, cell) => sum + cell.wanted, 0);
  const shards = Math.ceil(samples / size);
  const { first = 0 } = wanted;
  const shardOf = (sample: number): number => Math.floor((sample - first) / size);
  const records = new Map<number, ShardRecord>();
  const reader = limited(READERS);
  const partRecord = memoize(KEPT_PARTS, (key: string) => reader(() => fetchPartRecord(store, key)));

  async function readRecords(): Promise<void> {
    const fresh: number[] = [];
    for await (const { key } of store.list(objects.records)) {
      const shard = parseRecordKey(key);
      if (shard !== null && shard < shards && !records.has(shard)) fresh.push(shard);
    }
    await Promise.all(
      fresh.map((shard) =>
        reader(async () => {
          const record = await readStored(store, objects.record(shard), shardRecordSchema);
          if (record?.planDigest === wanted.planDigest) records.set(shard, record);
        }),
      ),
    );
  }

  async function readWork(): Promise<Work> {
    const stored = new Map<number, (StoredPart & { bytes: number })[]>();
    for await (const { key, size: bytes } of store.list(objects.work)) {
      const range = parsePartKey(key);
      const shard = range ? shardOf(range.start) : Number.NaN;
      if (!range || key !== objects.part(shard, range.start, range.end)) continue;
      stored.set(shard, [...(stored.get(shard) ?? []), { key, ...range, bytes }]);
    }
    // After the parts: of a shard that is committed in between, the record is seen.
    await readRecords();
    const open = [...stored].filter(([shard]) => shard < shards && !records.has(shard));
    return {
      records,
      parts: new Map(
        open.map(([shard, list]) => {
          const range = { start: first + shard * size, end: first + Math.min(samples, (shard + 1) * size) };
          const bytesOf = new Map(list.map((part) => [part.key, part.bytes]));
          const chain = chainParts(list, range, size).parts;
          return [shard, chain.map(({ key, start, end }) => ({ key, start, end, bytes: bytesOf.get(key)! }))];
        }),
      ),
    };
  }

  let latest: { readonly at: number; readonly work: Promise<Work> } | null = null;
  const work = (): Promise<Work> => {
    if (!latest || now() - latest.at > FRESH_MS) {
      const mine = { at: now(), work: readWork() };
      latest = mine;
      mine.work.catch(() => {
        if (latest === mine) latest = null;
      });
    }
    return latest.work;
  };

  async function counts(): Promise<Counts> {
    const { parts } = await work();
    const open = await Promise.all([...parts.values()].flat().map(({ key }) => partRecord(key)));
    const tallies = [
      ...[...records.values()].flatMap(({ cells }) => cells),
      ...open.flatMap((part) => part?.cells ?? []),
    ];
    return { tallies: sumTallies(tallies), committed: records.size };
  }

  async function locate(sample: number): Promise<Located> {
    const { parts } = await work();
    const shard = shardOf(sample);
    const record = records.get(shard);
    if (record) return find(objects.shard(wanted.name, shard), record, sample, record.exhausted);
    const part = parts.get(shard)?.find(({ start, end }) => start <= sample && sample < end);
    if (!part) return { state: 'pending' };
    const partOf = await partRecord(part.key);
    return partOf ? find(part.key, part, sample, partOf.exhausted) : { state: 'pending' };
  }

  async function find(
    object: string,
    archive: Archive,
    sample: number,
    exhausted: readonly number[],
  ): Promise<Located> {
    if (exhausted.includes(sample)) return { state: 'exhausted' };
    const place = await seekSample((range) => readRange(store, object, range), archive, sample);
    if (!place) throw new StoreError('retryable', `${store.uri}/${object} does not hold sample ${sample}`);
    return { state: 'stored', object, place };
  }

  async function featureRow(sample: number): Promise<FeatureRow | null> {
    const shard = shardOf(sample);
    const record = (await work()).records.get(shard);
    const row = record ? rowInShard(sample, record.start, record.exhausted) : null;
    return row === null || !record?.features ? null : { key: record.features.key, row };
  }

  return { state: 'running', wanted, shards, counts, locate, featureRow };
}

async function readRange(store: ObjectStore, key: string, range: { start: number; end: number }): Promise<Uint8Array> {
  const bytes = await store.get(key, range);
  // A shard that was committed meanwhile has lost its parts when the dataset is published.
  if (!bytes) throw new StoreError('retryable', `${store.uri}/${key} is gone; try again`);
  return bytes;
}

/** A part's record, which begins it; null when the part is gone by now. */
async function fetchPartRecord(store: ObjectStore, key: string): Promise<PartRecord | null> {
  for (let bytes = 32 * 1024; ; bytes *= 8) {
    const head = await store.get(key, { start: 0, end: bytes });
    if (!head) return null;
    const record = readPartRecord(head);
    if (record) return record;
    if (head.length < bytes) throw new StoreError('terminal', `${store.uri}/${key} is not a part as workers write it`);
  }
}
