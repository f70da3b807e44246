import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { CellTallies } from '../../contract/account/tally.ts';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { UsageError } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import type { PlannedQuality } from '../../contract/plan/identity.ts';
import { type Manifest, manifestSchema } from '../../contract/schema/manifest.ts';
import { type ShardRecord, shardRecordSchema } from '../../contract/schema/record.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import { type ObjectStore, openStore, StoreError } from '../../platform/store/store.ts';
import { createAgreementCounter } from '../agreement.ts';
import { workAhead } from '../ahead.ts';
import { realImagesOf } from '../evidence/gather.ts';
import type { Digests } from '../provenance/statement.ts';
import { countFault, SHARDS_AHEAD } from '../publish/records.ts';
import { renderWids } from '../publish/wids.ts';
import type { ShardSample } from '../shard/read.ts';
import { DAMAGED_AT_REST, digestStored, getUnlessDamaged, parseStored } from '../stored.ts';
import { evidenceFaults, gathererOf } from './evidence.ts';
import { featureFaults } from './features.ts';
import { openIndex } from './index.ts';
import { FILES, manifestFaults } from './manifest.ts';
import { type GivenReference, thresholdFaults, trainingImagesOf } from './novelty.ts';
import { type OpenStore, openParent, statedParentFault } from './parent.ts';
import { rebuildPlan } from './rebuild.ts';
import { type Published, verifyShard } from './shard.ts';

/** Checks a published dataset against itself: every digest, member, image, count and quota. */

export interface Fault {
  /** The object at fault. */
  readonly object: string;
  readonly message: string;
}

export interface Verification {
  /** Null when there is no readable manifest. */
  readonly manifest: Manifest | null;
  readonly faults: readonly Fault[];
  readonly images: number;
  /** The dataset that it extends, checked as well; null where it extends none, or where that is not the one it names. */
  readonly parent: Verification | null;
  /** The digests that a signature covers; null when there is no manifest whose plan can be rebuilt. */
  readonly digests: Digests | null;
}

/**
 * Checks a dataset, and those that it extends.
 * @param onShard called after each shard, with how many are done
 * @param open opens the dataset that it extends
 * @param given the reference, to compute again what needs its real images
 * @throws UsageError for a reference that is not the one of the plan
 */
export async function verify(
  store: ObjectStore,
  onShard: (done: number, all: number) => void = () => {},
  open: OpenStore = openStore,
  given: GivenReference | null = null,
): Promise<Verification> {
  const read = await readManifestStrictly(store);
  if ('object' in read) return { manifest: null, faults: [read], images: 0, parent: null, digests: null };
  const { value: manifest } = read;
  const rebuilt = rebuildPlan(manifest);
  if (typeof rebuilt === 'string')
    return {
      manifest,
      faults: [{ object: objects.manifest, message: rebuilt }],
      images: 0,
      parent: null,
      digests: null,
    };
  if (given) assertPlanned(given, manifest, store);
  const published = {
    manifest,
    rebuilt,
    index: await openIndex(store, manifest),
    training: given && trainingImagesOf(given),
  };
  const faults: Fault[] = [];
  const recount = { tallies: new CellTallies(), providers: new Set<string>() };
  const records = createHash('sha256');
  const gatherer = gathererOf(manifest, rebuilt.plan.gates);
  const agreement = createAgreementCounter(rebuilt.plan.gates);
  let lacksFeatures = false;
  let dimensions: number | null = null;
  let [images, shards] = [0, 0];
  const checked = workAhead(placesOf(manifest), (place) => checkPlace(store, place, published), SHARDS_AHEAD);
  for await (const { record, ...found } of checked) {
    records.update(found.line);
    faults.push(...found.faults);
    images += found.samples.length;
    for (const sample of found.samples) agreement.add(sample.record);
    const { features } = found;
    const columns: number | null = features && features.rows > 0 ? features.columns : dimensions;
    dimensions ??= columns;
    if (columns !== dimensions) {
      const message = `has ${columns} numbers for an image, those of other shards ${dimensions}`;
      faults.push({ object: objects.features(manifest.name, shards), message });
    }
    if (columns === dimensions && features?.rows === found.samples.length) gatherer?.add(found.samples, features);
    else lacksFeatures = true;
    recount.tallies.add(record?.cells ?? []);
    for (const provider of record?.provider.split('+') ?? []) recount.providers.add(provider);
    onShard(++shards, manifest.shards.length);
  }
  const real = given && realImagesOf(given.reference, given.sha256);
  const stated = [
    ...rebuilt.faults,
    ...manifestFaults(manifest, rebuilt, recount),
    ...(canonicalJson(manifest.agreement ?? null) === canonicalJson(agreement.finish() ?? null)
      ? []
      : ['agreement is not what the records give']),
    ...(given ? thresholdFaults(rebuilt.plan.gates, given) : []),
    // Features that are lost or damaged are faults by themselves.
    ...(gatherer && lacksFeatures ? [] : await evidenceFaults(manifest, gatherer, real)),
  ];
  faults.push(...stated.map((message) => ({ object: objects.manifest, message })));
  faults.push(...(await fileFaults(store, manifest)));
  faults.push(...(await strayFaults(store, manifest)));
  if (published.index.fault) faults.push({ object: objects.index, message: published.index.fault });
  const digests = { manifest: read.sha256, records: records.digest('hex') };
  const { parent, faults: before } = await verifyParent(store, manifest, onShard, open);
  return { manifest, faults: [...faults, ...before], images, parent, digests };
}

/** @throws UsageError for a reference other than the plan's: figures computed from it say nothing of the dataset */
function assertPlanned({ sha256: found }: GivenReference, { plan }: Manifest, { uri }: ObjectStore): void {
  const { reference } = (plan.quality ?? {}) as PlannedQuality;
  if (reference === undefined)
    throw new UsageError(`--reference: the plan of ${uri} names no reference; leave the option out`);
  if (found !== reference)
    throw new UsageError(
      `--reference: its SHA-256 is ${found}, that of the reference that the plan names ${reference}; give that one`,
    );
}

/** The dataset before, with its faults named by where it is. */
async function verifyParent(
  store: ObjectStore,
  manifest: Manifest,
  onShard: (done: number, all: number) => void,
  open: OpenStore,
): Promise<Pick<Verification, 'parent' | 'faults'>> {
  const stated = statedParentFault(manifest);
  const found = stated ?? (await openParent(store, manifest, open));
  if (typeof found === 'string') return { parent: null, faults: [{ object: objects.manifest, message: found }] };
  if (!found) return { parent: null, faults: [] };
  const parent = await verify(found, onShard, open);
  const named = parent.faults.map(({ object, message }) => ({
    object: object.includes(':') ? object : `${found.uri}/${object}`,
    message,
  }));
  return { parent, faults: named };
}

/** A shard of the manifest, and the row of the index at which it begins. */
interface ShardPlace {
  readonly shard: number;
  readonly entry: Manifest['shards'][number];
  readonly firstRow: number;
  readonly bytes: number;
}

function* placesOf({ shards }: Manifest): Generator<ShardPlace, void> {
  let firstRow = 0;
  for (const [shard, entry] of shards.entries()) {
    yield { shard, entry, firstRow, bytes: entry.bytes };
    firstRow += entry.accepted;
  }
}

interface CheckedShard {
  /** Null when it could not be read. */
  readonly record: ShardRecord | null;
  /** The record's line in the list of which in-toto's `dirHash1` is the SHA-256. */
  readonly line: string;
  readonly faults: readonly Fault[];
  readonly samples: readonly ShardSample[];
  readonly features: HalfMatrix | null;
}

async function checkPlace(store: ObjectStore, place: ShardPlace, published: Published): Promise<CheckedShard> {
  const { shard, entry, firstRow } = place;
  const read = await readRecordStrictly(store, shard, entry.record);
  if ('object' in read) return { record: null, line: '', faults: [read], samples: [], features: null };
  const { value: record } = read;
  const line = `${read.sha256}  ${entry.record.slice(objects.records.length)}\n`;
  const bytes = await getUnlessDamaged(store, record.key);
  if (bytes instanceof StoreError)
    return { record, line, faults: [{ object: record.key, message: DAMAGED_AT_REST }], samples: [], features: null };
  const { faults, samples } = await verifyShard(bytes, record, firstRow, published);
  const found = faults.map((message) => ({ object: record.key, message }));
  const featured = await featureFaults(store, record, samples, published);
  return {
    record,
    line,
    faults: [...entryFaults(entry, record, published.manifest, shard), ...found, ...featured.faults],
    samples,
    features: featured.features,
  };
}

async function readManifestStrictly(store: ObjectStore): Promise<Stored<Manifest> | Fault> {
  const object = objects.manifest;
  const bytes = await getUnlessDamaged(store, object);
  if (bytes instanceof StoreError) return { object, message: DAMAGED_AT_REST };
  if (!bytes)
    return { object, message: `is missing: ${store.uri} holds no complete dataset (run it again to complete it)` };
  return parseObject(bytes, object, manifestSchema);
}

async function readRecordStrictly(
  store: ObjectStore,
  shard: number,
  key: string,
): Promise<Stored<ShardRecord> | Fault> {
  if (key !== objects.record(shard))
    return { object: objects.manifest, message: `shards[${shard}].record is ${key}, not ${objects.record(shard)}` };
  const bytes = await getUnlessDamaged(store, key);
  if (bytes instanceof StoreError) return { object: key, message: DAMAGED_AT_REST };
  if (!bytes) return { object: key, message: 'is missing' };
  return parseObject(bytes, key, shardRecordSchema);
}

/** An object as it was parsed, and the digest of its very bytes. */
interface Stored<T> {
  readonly value: T;
  readonly sha256: string;
}

function parseObject<T>(bytes: Uint8Array, object: string, schema: z.ZodType<T>): Stored<T> | Fault {
  const parsed = parseStored(bytes, schema);
  return typeof parsed === 'string' ? { object, message: parsed } : { value: parsed.value, sha256: sha256(bytes) };
}

function entryFaults(
  entry: Manifest['shards'][number],
  record: ShardRecord,
  manifest: Manifest,
  shard: number,
): Fault[] {
  const faults: Fault[] = [];
  for (const field of ['key', 'bytes', 'sha256', 'start', 'end', 'accepted'] as const) {
    if (entry[field] !== record[field]) {
      faults.push({ object: entry.record, message: `${field} is ${record[field]}, the manifest says ${entry[field]}` });
    }
  }
  if (record.planDigest !== manifest.planDigest)
    faults.push({ object: entry.record, message: 'belongs to another plan' });
  if (record.modelDigest !== manifest.model.digest)
    faults.push({ object: entry.record, message: 'names another model' });
  const fault = countFault(record);
  if (fault) faults.push({ object: entry.record, message: fault });
  if (record.shard !== shard)
    faults.push({ object: entry.record, message: `is of shard ${record.shard}, not ${shard}` });
  return faults;
}

async function fileFaults(store: ObjectStore, manifest: Manifest): Promise<Fault[]> {
  const faults: Fault[] = [];
  // Other names are a fault already (see `manifestFaults`); a store would refuse some of them.
  for (const { key, bytes, sha256: digest } of manifest.files.filter((file) => FILES.includes(file.key))) {
    const found = await digestStored(store, key);
    if (!found) faults.push({ object: key, message: 'is missing' });
    else if (found.bytes !== bytes || found.sha256 !== digest)
      faults.push({ object: key, message: `SHA-256 is ${found.sha256}, the manifest says ${digest}` });
    else if (key === objects.wids && digest !== sha256(renderWids(manifest)))
      faults.push({ object: key, message: 'is not the index of shards that follows from the manifest' });
  }
  return faults;
}

/** Shards and records that the manifest does not know would be read by anyone who lists the folder. */
async function strayFaults(store: ObjectStore, manifest: Manifest): Promise<Fault[]> {
  const hasFeatures = manifest.dataset.spec.quality.encoder !== undefined;
  const known = new Set(
    manifest.shards.flatMap(({ key, record }, shard) => [
      key,
      record,
      ...(hasFeatures ? [objects.features(manifest.name, shard)] : []),
    ]),
  );
  const faults: Fault[] = [];
  for (const prefix of [objects.shards, objects.records, objects.featuresFolder]) {
    for await (const { key } of store.list(prefix)) {
      if (!known.has(key)) faults.push({ object: key, message: 'is not part of the dataset; remove it' });
    }
  }
  return faults;
}
