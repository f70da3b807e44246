import { CellTallies } from '../../contract/account/tally.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { cellRecord } from '../../contract/plan/grid.ts';
import type { PlannedQuality } from '../../contract/plan/identity.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import type { Agreement } from '../../contract/schema/agreement.ts';
import type { Evidence } from '../../contract/schema/evidence.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { PrefixOwner, ShardRecord } from '../../contract/schema/record.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { HalfMatrix } from '../../platform/npy.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { createAgreementCounter } from '../agreement.ts';
import { workAhead } from '../ahead.ts';
import { assertOwned } from '../claim.ts';
import { createGatherer, type Gatherer, readRealImages } from '../evidence/gather.ts';
import { readFeatures } from '../shard/features.ts';
import { contentOf, type Extent, readShardSamples, type ShardSample } from '../shard/read.ts';
import { renderCard } from './card.ts';
import { type Checkpoints, openCheckpoints } from './checkpoint.ts';
import { renderCroissant } from './croissant.ts';
import { type DerivedFile, derivedFile, finishPublication, readOwnManifest } from './finish.ts';
import { createIndex } from './index.ts';
import { type Counted, type Draft, draftManifest, type ShardEntry, shardEntry } from './manifest.ts';
import { checkShard, DatasetError, getSound, readRecords, SHARDS_AHEAD } from './records.ts';
import { renderReport } from './report/report.ts';
import { refuseShortfall } from './shortfall.ts';
import { createSheet, type ReadExtent, type Thumbnail } from './thumbnails.ts';
import { renderWids } from './wids.ts';

/**
 * Publishing: what the workers committed becomes a dataset that anyone can read.
 *
 *   records, shards --check--> index, wids, card, Croissant, report --> dataset.json --> parts removed
 *
 * All that is written follows from the shards and the plan, byte for byte. So publishing may be stopped anywhere and run
 * again, and the manifest, which says that the dataset is complete, is written once everything that it names is there.
 */
export interface PublishContext {
  readonly plan: Plan;
  readonly dataset: SyntheticDataset;
  readonly store: ObjectStore;
  readonly owner: PrefixOwner;
  /** Version of CohortFarm. */
  readonly version: string;
  /** Folder of the reference that the plan names. */
  readonly referenceDir?: string | null;
  /** Called after each shard, with how many are checked. */
  readonly onProgress?: (done: number, all: number) => void;
}

/**
 * Publishes a dataset whose shards are all committed; one that is published already only has its clean-up finished.
 * @throws StoreError (retryable) when shards are missing, DatasetError when one is not what its record says, ExhaustedError
 * when samples have no image and the spec says Fail
 */
export async function publish(context: PublishContext): Promise<Manifest> {
  const { store, plan } = context;
  await assertOwned(store, plan, context.owner);
  let manifest = await readOwnManifest(store, plan);
  if (!manifest) {
    await refuseShortfall(plan, store);
    await refuseStrays(plan, store);
    const read = await readShards(context);
    const made = draftManifest({ ...context, counted: read.counted, uri: store.uri });
    const evidence = await judgeImages(context, read.gatherer, made.cells);
    const { agreement } = read;
    const draft = { ...made, ...(agreement && { agreement }), ...(evidence && { evidence }) };
    manifest = await finishPublication(store, plan, draft, deriveFiles(draft, read));
  }
  await checkPresence(store, manifest);
  await removeWork(store);
  return manifest;
}

/** The evidence about the images; null where the plan has no encoder, or there are no images. */
async function judgeImages(
  { plan, referenceDir }: PublishContext,
  gatherer: Gatherer | null,
  cells: Draft['cells'],
): Promise<Evidence | null> {
  const { reference } = plan.identity.quality as PlannedQuality;
  if (!gatherer) return null;
  if (reference === undefined) return gatherer.finish(null, cells);
  if (!referenceDir) throw new TypeError('the plan names a reference, the publisher has none');
  return gatherer.finish(await readRealImages(referenceDir, reference), cells);
}

/**
 * Refuses objects that readers who list the folder would take for the dataset's, such as shards of an earlier plan.
 * @throws DatasetError that names the first
 */
async function refuseStrays(plan: Plan, store: ObjectStore): Promise<void> {
  const known = new Set<string>();
  for (let shard = 0; shard < plan.shards; shard++)
    known.add(objects.shard(plan.name, shard)).add(objects.record(shard)).add(objects.features(plan.name, shard));
  for (const prefix of [objects.shards, objects.records, objects.featuresFolder]) {
    for await (const { key } of store.list(prefix)) {
      if (!known.has(key)) throw new DatasetError(key, 'is not part of the dataset; remove it and publish again');
    }
  }
}

/** A complete dataset that has lost shards since must not pass for one. @throws DatasetError that names the first */
async function checkPresence(store: ObjectStore, manifest: Manifest): Promise<void> {
  const sizes = new Map<string, number>();
  for (const prefix of [objects.shards, objects.records, objects.featuresFolder]) {
    for await (const { key, size } of store.list(prefix)) sizes.set(key, size);
  }
  const hasFeatures = manifest.dataset.spec.quality.encoder !== undefined;
  for (const [shard, { key, bytes, record }] of manifest.shards.entries()) {
    const others = [record, ...(hasFeatures ? [objects.features(manifest.name, shard)] : [])];
    const lost = sizes.get(key) !== bytes ? key : (others.find((other) => !sizes.has(other)) ?? null);
    if (lost === null) continue;
    throw new DatasetError(
      lost,
      `is ${sizes.has(lost) ? 'not as long as it was' : 'missing'} although the dataset was complete; restore it, or remove ` +
        `${key}, ${record} and ${objects.manifest} and run again to remake the shard (cohortfarm verify finds all faults)`,
    );
  }
}

interface ReadShards {
  readonly counted: Counted;
  /** In chunks. */
  readonly index: readonly Uint8Array[];
  readonly thumbnails: readonly Thumbnail[];
  readonly agreement: Agreement[] | undefined;
  /** Null where images have no features. */
  readonly gatherer: Gatherer | null;
}

/** Reads each shard once, several at a time; what is made of them is made in order. */
async function readShards({ plan, store, onProgress }: PublishContext): Promise<ReadShards> {
  const shards: ShardEntry[] = [];
  const tallies = new CellTallies();
  const providers = new Set<string>();
  const { grid, quotas } = plan.allocation;
  const sheet = createSheet(grid.cells.map(({ id }, i) => ({ cell: id, wanted: quotas[i]! })));
  const index = createIndex(plan.spec, {
    'cohortfarm.dataset': plan.name,
    'cohortfarm.plan_digest': plan.digest,
    'cohortfarm.model_digest': plan.model.digest,
    'cohortfarm.synthetic': 'true',
  });
  const { encoder } = plan.identity.quality as PlannedQuality;
  const cells = grid.cells.map((cell) => cellRecord(grid, cell));
  const gatherer =
    encoder === undefined ? null : createGatherer({ planDigest: plan.digest, encoder, cells, gates: plan.gates });
  const checkpoints = await openCheckpoints(store, plan);
  const read = (record: ShardRecord) => readShard(store, checkpoints, record);
  const agreement = createAgreementCounter(plan.gates);
  for await (const { record, samples, content, features } of workAhead(readRecords(store, plan), read, SHARDS_AHEAD)) {
    index.add(record.key, samples);
    if (features) gatherer?.add(samples, features);
    for (const sample of samples) agreement.add(sample.record);
    await sheet.add(content, samples);
    await checkpoints.add(record, samples);
    shards.push(shardEntry(record));
    tallies.add(record.cells);
    for (const provider of record.provider.split('+')) providers.add(provider);
    onProgress?.(shards.length, plan.shards);
  }
  const counted = { shards, tallies: tallies.values(), providers };
  const files = { index: index.finish(), thumbnails: sheet.thumbnails() };
  return { counted, ...files, agreement: agreement.finish(), gatherer };
}

interface ReadShard {
  readonly record: ShardRecord;
  readonly samples: readonly ShardSample[];
  readonly content: ReadExtent;
  /** One row for each sample; null where the plan has no encoder. */
  readonly features: HalfMatrix | null;
}

/** A shard that is checked: now, or by a publisher that was interrupted. */
async function readShard(store: ObjectStore, checkpoints: Checkpoints, record: ShardRecord): Promise<ReadShard> {
  const features = await soundFeatures(store, record);
  const before = await checkpoints.read(record);
  if (before) return { record, samples: before, content: (extent) => readExtent(store, record.key, extent), features };
  const bytes = await getSound(store, record.key);
  const samples = checkShard(bytes, record);
  return { record, samples, content: (extent) => contentOf(bytes!, extent), features };
}

/** @throws DatasetError when the feature vectors of a shard are not those of its record */
async function soundFeatures(store: ObjectStore, record: ShardRecord): Promise<HalfMatrix | null> {
  if (!record.features) return null;
  const found = await readFeatures(store, record);
  if (typeof found !== 'string') return found;
  throw new DatasetError(
    record.features.key,
    `${found}; restore it, or remove it, ${record.key} and ${objects.record(record.shard)} and run again to remake the shard`,
  );
}

async function readExtent(store: ObjectStore, key: string, { offset, size }: Extent): Promise<Uint8Array> {
  const bytes = await store.get(key, { start: offset, end: offset + size });
  if (!bytes) throw new DatasetError(key, 'is missing');
  return bytes;
}

/** The files that are derived from the shards. */
function deriveFiles(draft: Draft, { index, thumbnails }: Pick<ReadShards, 'index' | 'thumbnails'>): DerivedFile[] {
  const { json, markdown, html, parquet } = CONTENT_TYPES;
  const text = (key: string, contentType: string, body: string) => derivedFile(key, contentType, [Buffer.from(body)]);
  const indexFile = derivedFile(objects.index, parquet, index);
  return [
    indexFile,
    text(objects.wids, json, renderWids(draft)),
    text(objects.croissant, json, renderCroissant(draft, indexFile.object)),
    text(objects.card, markdown, renderCard(draft)),
    text(objects.report, html, renderReport(draft, thumbnails)),
  ];
}

const REMOVED_AT_ONCE = 1000;

async function removeWork(store: ObjectStore): Promise<void> {
  let keys: string[] = [];
  for await (const { key } of store.list(objects.work)) {
    if (key === objects.claim) continue;
    keys.push(key);
    if (keys.length === REMOVED_AT_ONCE) {
      await store.remove(keys);
      keys = [];
    }
  }
  if (keys.length > 0) await store.remove(keys);
}

/** Renders the report of a published dataset again. Reads shards only until the contact sheet is full. */
export async function renderPublishedReport(store: ObjectStore, manifest: Manifest): Promise<string> {
  const sheet = createSheet(manifest.cells);
  for (const { key } of manifest.shards) {
    if (sheet.isComplete()) break;
    const shard = await store.get(key);
    if (!shard) throw new DatasetError(key, 'is missing');
    await sheet.add((extent) => contentOf(shard, extent), readShardSamples(shard));
  }
  return renderReport(manifest, sheet.thumbnails());
}
