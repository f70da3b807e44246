import { parquetReadObjects } from 'hyparquet';
import { canonicalFile, sha256 } from '../../contract/digest.ts';
import { Failure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Export } from '../../contract/schema/export.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import type { CredentialSigner } from '../../platform/content-credentials.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { workAhead } from '../ahead.ts';
import { requireManifest } from '../claim.ts';
import { assertAccepted, credentialsOf } from '../provenance/credentials.ts';
import { indexColumns } from '../publish/index.ts';
import { checkShard, DatasetError, readPublishedRecords } from '../publish/records.ts';
import { openParquet } from '../read/index-file.ts';
import { contentOf, type ShardSample } from '../shard/read.ts';
import { type Digest, digestStored } from '../stored.ts';
import type { DicomOptions } from './dicom.ts';
import { type Exporter, exporterOf, type Format, type Row, type SampleExporter, type ShardExporter } from './format.ts';

/**
 * A published dataset in another format, at another place. What is written follows from the dataset, byte for byte, and no
 * file is written twice: an export may be stopped anywhere and run again.
 *
 *   export.json (what is exported here) --> a file for each sample or shard --> the table (the export is complete)
 */
export interface ExportRequest extends DicomOptions {
  readonly source: ObjectStore;
  readonly target: ObjectStore;
  readonly format: Format;
  /** Signs each image; only for formats that hold the published files. */
  readonly signer?: CredentialSigner | null;
  /** Called after each shard, with how many are done. */
  readonly onShard: (done: number, all: number) => void;
}

export interface Exported {
  readonly samples: number;
  /** Samples whose files were not there before. */
  readonly written: number;
  /** The table's key in the target. */
  readonly table: string;
}

/** Says of which dataset an export is. */
export const EXPORT = 'export.json';
/** Files written at once: enough to hide the delay of an object store. */
const AHEAD = { items: 16 };

/** @throws Failure when the dataset is incomplete or damaged, or the target holds anything else */
export async function exportDataset(request: ExportRequest): Promise<Exported> {
  const { source, target, format, signer, onShard } = request;
  const manifest = await requireManifest(source);
  if (signer) await assertAccepted(signer);
  await checkIndex(source, manifest);
  const exporter = exporterOf(format, manifest, request);
  await claimTarget(request, manifest);
  const { samples, shards } = manifest;
  let written = 0;
  const digests = new Map<string, Digest>();
  for await (const record of readPublishedRecords(source, manifest)) {
    written += await ('keyOf' in exporter
      ? exportWhole(request, exporter, record, digests)
      : exportShard(request, exporter, record));
    onShard(record.shard + 1, shards.length);
  }
  const digestOf = async (file: string): Promise<Digest> => {
    const digest = digests.get(file) ?? (await digestStored(target, file));
    if (digest) return digest;
    throw new Failure('DatasetDamaged', `${target.uri}/${file} was removed during the export; run it again`);
  };
  const { key, contentType, render } = exporter.table;
  const body = await render(readRows(source, manifest, exporter), manifest, digestOf);
  await target.create(key, body, { contentType });
  return { samples: samples.accepted, written, table: key };
}

async function checkIndex(source: ObjectStore, { files }: Manifest): Promise<void> {
  const listed = files.find(({ key }) => key === objects.index);
  const found = await digestStored(source, objects.index);
  if (!listed || found?.sha256 !== listed.sha256)
    throw new DatasetError(objects.index, 'is not the file that the manifest lists; run cohortfarm verify');
}

/** Marks the target as the place of this export. @throws Failure when it is that of another, or holds something else */
async function claimTarget({ target, format, bodyPart, signer }: ExportRequest, manifest: Manifest): Promise<void> {
  const { name, planDigest, generator, samples } = manifest;
  const claim: Export = {
    apiVersion: 'cohortfarm.dev/export/v1',
    dataset: name,
    synthetic: true,
    planDigest,
    generator,
    samples: samples.accepted,
    format,
    ...(format === 'dicom' && { bodyPart }),
    ...(signer && { contentCredentials: credentialsOf(signer) }),
  };
  const body = canonicalFile(claim);
  if ((await target.stat(EXPORT)) === null)
    for await (const { key } of target.list(''))
      throw new Failure('OutputTaken', `${target.uri} is not empty (${key}); export to an empty place`);
  if ((await target.create(EXPORT, body, { contentType: CONTENT_TYPES.json })) === 'created') return;
  const there = await target.get(EXPORT);
  if (!there || !body.equals(there))
    throw new Failure('OutputTaken', `${target.uri} holds another export (${EXPORT}); choose another place`);
}

const shardFolder = ({ folder }: SampleExporter, shard: number): string =>
  `${folder}${String(shard).padStart(6, '0')}/`;

/** Key of the file that a sample is in. */
const fileOf = (exporter: Exporter, shard: number, key: string): string =>
  'keyOf' in exporter ? exporter.keyOf(shard) : `${shardFolder(exporter, shard)}${key}.${exporter.extension}`;

/** Writes the files of one shard that are missing; returns how many. */
async function exportShard(
  { source, target }: ExportRequest,
  exporter: SampleExporter,
  record: ShardRecord,
): Promise<number> {
  const folder = shardFolder(exporter, record.shard);
  const present = new Set<string>();
  for await (const { key } of target.list(folder)) present.add(key);
  // Nothing else is in a folder that is ours, and every file in it is whole.
  if (present.size === record.accepted) return 0;
  const shard = await source.get(record.key);
  const samples = checkShard(shard, record);
  const missing = samples.filter(({ key }) => !present.has(fileOf(exporter, record.shard, key)));
  const write = async (sample: ShardSample): Promise<void> => {
    const { key, image } = sample;
    const content = contentOf(shard!, image);
    const body = await exporter.render({ key, record: sample.record, image: content, extension: image.extension });
    // Another process that exports the same writes the same bytes.
    await target.create(fileOf(exporter, record.shard, key), body, { contentType: exporter.contentType });
  };
  for await (const _ of workAhead(missing, write, AHEAD));
  return missing.length;
}

/**
 * Writes the file of one shard, unless it is there; returns how many samples are in it that were not there.
 * @param digests gets the file that was written
 */
async function exportWhole(
  { source, target }: ExportRequest,
  exporter: ShardExporter,
  record: ShardRecord,
  digests: Map<string, Digest>,
): Promise<number> {
  const key = exporter.keyOf(record.shard);
  if (record.accepted === 0 || (await target.stat(key)) !== null) return 0;
  const shard = await source.get(record.key);
  const samples = checkShard(shard, record);
  const body = exporter.renderShard(shard!, samples);
  const outcome = await target.create(key, body, { contentType: exporter.contentType });
  if (outcome === 'created') digests.set(key, { bytes: body.length, sha256: sha256(body) });
  return samples.length;
}

/** The rows of the index, in order, a row group at a time. */
async function* readRows(source: ObjectStore, manifest: Manifest, exporter: Exporter): AsyncGenerator<Row, void> {
  const { file, metadata, starts } = await openParquet(source);
  const { axes, sets = {}, exact } = indexColumns(manifest.dataset.spec);
  const shards = new Map(manifest.shards.map(({ key }, i) => [key, i]));
  for (let group = 0; group + 1 < starts.length; group++) {
    const rows = await parquetReadObjects({
      file,
      metadata,
      rowStart: starts[group]!,
      rowEnd: starts[group + 1]!,
    });
    for (const row of rows) {
      const values = Object.entries(axes).map(([axis, column]) => [axis, String(row[column])] as const);
      yield {
        key: String(row.key),
        file: fileOf(exporter, shards.get(String(row.shard))!, String(row.key)),
        prompt: String(row.prompt),
        seed: Number(row.seed),
        axes: Object.fromEntries(values),
        labels: {
          ...Object.fromEntries(values.map(([axis, value]) => [axes[axis]!, value])),
          ...Object.fromEntries(Object.values(sets).map((column) => [column, String(row[column])])),
          ...Object.fromEntries(Object.values(exact).map((column) => [column, Number(row[column])])),
        },
      };
    }
  }
}
