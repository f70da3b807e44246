import { tallyFault, totals } from '../../contract/account/tally.ts';
import { sha256 } from '../../contract/digest.ts';
import { Failure } from '../../contract/failure.ts';
import { objects, sampleKey } from '../../contract/names.ts';
import { originOf } from '../../contract/plan/origin.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { type Ahead, workAhead } from '../ahead.ts';
import { readShardSamples, type ShardSample } from '../shard/read.ts';
import { DAMAGED_AT_REST, getUnlessDamaged } from '../stored.ts';

/** The output of the workers: the records of all shards, and the shards, each checked against its record. */

/** The values with which a dataset's records must agree; a plan has them. */
export type Expected = Pick<Plan, 'name' | 'digest' | 'shards' | 'samples' | 'origin'>;

/** An object of the dataset that is not what it should be. */
export class DatasetError extends Failure {
  override readonly name = 'DatasetError';
  readonly key: string;
  constructor(key: string, problem: string, options?: { cause?: unknown }) {
    super('DatasetDamaged', `${key} ${problem}`, options);
    this.key = key;
  }
}

/** Shards that are read at once. Their bytes are in memory, so that large shards are read one or two at a time. */
export const SHARDS_AHEAD: Ahead<{ readonly bytes: number }> = {
  items: 8,
  weight: 512 * 1024 * 1024,
  weightOf: ({ bytes }) => bytes,
};

/** Records fetched ahead: enough to hide the delay of an object store. */
const AHEAD = 16;

/**
 * The records of all shards, in order.
 * @throws StoreError (retryable) when shards are not committed yet, DatasetError when a record is not as it should be
 */
export async function* readRecords(store: ObjectStore, expected: Expected): AsyncGenerator<ShardRecord, void> {
  let [shard, start] = [0, expected.origin.index];
  const fetched = workAhead(range(expected.shards), (shard) => getSound(store, objects.record(shard)), {
    items: AHEAD,
  });
  for await (const bytes of fetched) {
    if (!bytes) throw await missingRecords(store, expected, shard);
    const record = parseRecord(objects.record(shard), bytes);
    const fault = recordFault(record, { expected, shard, start });
    if (fault) throw new DatasetError(objects.record(shard), fault);
    start = record.end;
    shard++;
    yield record;
  }
}

/**
 * The records of a published dataset, in order.
 * @throws what `readRecords` throws, and DatasetError when a record is of another shard than the manifest lists
 */
export async function* readPublishedRecords(store: ObjectStore, manifest: Manifest): AsyncGenerator<ShardRecord, void> {
  const { name, planDigest: digest, samples, shards } = manifest;
  const expected = { name, digest, shards: shards.length, samples: samples.wanted, origin: originOf(manifest) };
  for await (const record of readRecords(store, expected)) {
    const listed = shards[record.shard]!;
    if (record.sha256 !== listed.sha256)
      throw new DatasetError(listed.record, 'is of another shard than the manifest lists; run cohortfarm verify');
    yield record;
  }
}

/** The bytes of an object; null when it is absent. @throws DatasetError when the store itself finds them damaged */
export async function getSound(store: ObjectStore, key: string): Promise<Uint8Array | null> {
  const bytes = await getUnlessDamaged(store, key);
  if (bytes instanceof StoreError)
    throw new DatasetError(
      key,
      `${DAMAGED_AT_REST}; restore it, or remove the shard and its record (and dataset.json, if there is one) and run again to have both remade`,
      { cause: bytes },
    );
  return bytes;
}

function* range(end: number): Generator<number, void> {
  for (let i = 0; i < end; i++) yield i;
}

async function missingRecords(store: ObjectStore, expected: Expected, first: number): Promise<StoreError> {
  const present = new Set<string>();
  for await (const { key } of store.list(objects.records)) present.add(key);
  let missing = 0;
  for (let shard = 0; shard < expected.shards; shard++) if (!present.has(objects.record(shard))) missing++;
  return new StoreError(
    'retryable',
    `${missing} of ${expected.shards} shards of ${store.uri} are not committed yet, the first without ` +
      `${objects.record(first)}; run the workers until every shard has its record, then publish again`,
    { reason: 'ShardsMissing' },
  );
}

function parseRecord(key: string, bytes: Uint8Array): ShardRecord {
  try {
    return shardRecordSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch (cause) {
    throw new DatasetError(
      key,
      'is not the record of a shard; restore it, or remove it and its shard and run again to remake both',
      { cause },
    );
  }
}

/** Why a record does not fit in its place, or null. */
function recordFault(record: ShardRecord, place: { expected: Expected; shard: number; start: number }): string | null {
  const { expected, shard, start } = place;
  if (record.planDigest !== expected.digest)
    return `belongs to another plan (${record.planDigest}, not ${expected.digest})`;
  if (record.shard !== shard) return `says that it is of shard ${record.shard}`;
  const key = objects.shard(expected.name, shard);
  if (record.key !== key) return `names the shard ${record.key}, not ${key}`;
  const last = shard === expected.shards - 1;
  const end = expected.origin.index + expected.samples;
  if (record.start !== start || record.end <= start || (last && record.end !== end)) {
    return `covers samples ${record.start} to ${record.end}, not those from ${start}${last ? ` to ${end}` : ''}`;
  }
  return countFault(record);
}

/** Why a record's counts contradict each other, or null. */
export function countFault(record: ShardRecord): string | null {
  for (const tally of record.cells) {
    const fault = tallyFault(tally);
    if (fault) return fault;
  }
  const sum = totals(record.cells);
  const claims: readonly (readonly [string, number, number])[] = [
    ['samples', record.end - record.start, sum.wanted],
    ['accepted', record.accepted, sum.accepted],
    ['attempts', record.attempts, sum.attempts],
    ['exhausted', record.exhausted.length, sum.exhausted],
  ];
  const wrong = claims.find(([, claimed, counted]) => claimed !== counted);
  return wrong ? `claims ${wrong[1]} ${wrong[0]}, its cells add up to ${wrong[2]}` : null;
}

/**
 * Reads the samples of a shard after checking its bytes and its members against its record.
 * @throws DatasetError that names the shard
 */
export function checkShard(bytes: Uint8Array | null, record: ShardRecord): ShardSample[] {
  if (!bytes)
    throw new DatasetError(
      record.key,
      `is missing, although ${objects.record(record.shard)} says that it was committed`,
    );
  const digest = sha256(bytes);
  if (digest !== record.sha256) {
    const found = `has SHA-256 ${digest} (${bytes.length} bytes)`;
    const wanted = `${objects.record(record.shard)} says ${record.sha256} (${record.bytes} bytes)`;
    throw new DatasetError(
      record.key,
      `${found}, ${wanted}; restore it, or remove both (and dataset.json, if there is one) and run again to remake the shard`,
    );
  }
  let samples: ShardSample[];
  try {
    samples = readShardSamples(bytes);
  } catch (cause) {
    throw new DatasetError(record.key, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  const fault = membersFault(samples, record);
  if (fault) throw new DatasetError(record.key, fault);
  return samples;
}

/** Why samples are not those of a record, or null. */
export function membersFault(samples: readonly ShardSample[], record: ShardRecord): string | null {
  const exhausted = new Set(record.exhausted);
  const accepted = new Map<string, number>();
  let at = 0;
  for (let index = record.start; index < record.end; index++) {
    if (exhausted.has(index)) continue;
    const sample = samples[at++];
    if (sample?.key !== sampleKey(index) || sample.record.index !== index)
      return `has no sample ${sampleKey(index)} in its place`;
    if (sample.record.planDigest !== record.planDigest) return `holds sample ${sample.key} of another plan`;
    accepted.set(sample.record.cell, (accepted.get(sample.record.cell) ?? 0) + 1);
  }
  if (at !== samples.length) return `holds sample ${samples[at]!.key}, which its record does not know`;
  const wrong = record.cells.find((tally) => tally.accepted !== (accepted.get(tally.cell) ?? 0));
  return wrong
    ? `holds ${accepted.get(wrong.cell) ?? 0} images of cell ${wrong.cell}, its record says ${wrong.accepted}`
    : null;
}
