import { sha256 } from '../../contract/digest.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import type { CredentialSigner } from '../../platform/content-credentials.ts';
import type { HubFile, HubRepository, HubState } from '../../platform/hub.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { requireManifest } from '../claim.ts';
import { assertAccepted, credentialsOf, signImage } from '../provenance/credentials.ts';
import { renderCard } from '../publish/card.ts';
import { CARD_ON_HUB, gatedText } from '../publish/card-front.ts';
import type { ModelTerms } from '../publish/model-terms.ts';
import { publicationOf } from '../publish/publication.ts';
import { checkShard, DatasetError, readPublishedRecords } from '../publish/records.ts';
import { contentOf, type ShardSample } from '../shard/read.ts';
import { assertOurs, CLAIM, claimOf } from './claim.ts';
import { type HubColumn, hubColumns } from './columns.ts';
import { renderParquet } from './parquet.ts';
import { parquetFiles, type Split } from './splits.ts';
import { startUpload, type Upload } from './upload.ts';

/**
 * A published dataset on the Hugging Face Hub. What is sent follows from the dataset, byte for byte, and what the repository
 * has by its digest is not sent again: a push may be stopped anywhere and run again.
 *
 *   card and claim --> shards, each with its record and its Parquet file --> the other files --> dataset.json
 */
export interface PushRequest {
  readonly source: ObjectStore;
  readonly repository: HubRepository;
  readonly splits: readonly Split[];
  /** Makes the repository public once all is there; a new one is private. One that is public already is not written without. */
  readonly makePublic: boolean;
  readonly modelTerms: ModelTerms | null;
  /** Signs each image of the Parquet files; shards stay as they are. */
  readonly signer?: CredentialSigner | null;
  /** Whether images that are signed there may be replaced by images that are not. */
  readonly removeCredentials?: boolean;
  /** Called after each shard, with how many are done. */
  readonly onShard: (done: number, all: number) => void;
}

export interface Pushed {
  readonly samples: number;
  readonly sent: { readonly files: number; readonly bytes: number };
  /** Files that the repository had already. */
  readonly kept: number;
  readonly isPublic: boolean;
}

/** @throws Failure when the dataset is incomplete or damaged, the repository holds something else, or the Hub fails */
export async function pushDataset(request: PushRequest): Promise<Pushed> {
  const { source, repository, splits, makePublic, modelTerms, signer, removeCredentials = false } = request;
  const manifest = await requireManifest(source);
  if (signer) await assertAccepted(signer);
  const credentials = signer ? credentialsOf(signer) : null;
  const columns = hubColumns(manifest.dataset.spec);
  const parquet = parquetFiles(splits, manifest.shards.length);
  const names = splits.map(({ name }) => name);
  const card = renderCard(manifest, { repository: repository.name, splits: names, columns, modelTerms });
  const isGated = gatedText(publicationOf(manifest).access, modelTerms) !== null;
  const { state, files } = await openRepository(repository, manifest, { credentials, mayRemove: removeCredentials });
  if (!state.isPrivate && !makePublic)
    throw new UsageError(`${repository.uri} is public: all that is sent there is open at once; give --public to do so`);
  const upload = startUpload(repository, files);
  await upload.add(objects.card, Buffer.from(card));
  await upload.add(CLAIM, claimOf(manifest, credentials));
  // Removed with the old card, so that no reader sees an image in two splits.
  for (const path of files.keys())
    if (/^data\/[^/]+\.parquet$/.test(path) && !parquet.includes(path)) upload.remove(path);
  await upload.flush();
  // Before any image is there; a private repository cannot be gated.
  if (isGated && !state.isPrivate && state.gated !== 'manual') await repository.set({ gated: 'manual' });
  await pushShards(request, manifest, upload, { columns, parquet });
  await pushFiles(source, manifest, upload);
  await upload.add(objects.manifest, (await source.get(objects.manifest))!);
  await upload.flush();
  if (makePublic && state.isPrivate)
    await repository.set({ visibility: 'public', ...(isGated && { gated: 'manual' as const }) });
  const { sent, kept } = upload.counts();
  return { samples: manifest.samples.accepted, sent, kept, isPublic: makePublic };
}

/** The repository, made if need be. @throws Failure when it holds anything else than this dataset, or is of another signer */
async function openRepository(
  repository: HubRepository,
  manifest: Manifest,
  signing: Parameters<typeof assertOurs>[3],
) {
  const found = await repository.state();
  if (!found) await repository.create();
  const state: HubState = found ?? { gated: false, isPrivate: true };
  const files: Map<string, HubFile> = await repository.files();
  const claim = files.get(CLAIM);
  if (claim) assertOurs(repository.uri, await repository.read(claim), manifest, signing);
  const other = claim
    ? undefined
    : [...files.keys()].find((path) => path !== '.gitattributes' && path !== objects.card);
  if (other !== undefined)
    throw new Failure('OutputTaken', `${repository.uri} is not empty (${other}); choose another repository`);
  return { state, files };
}

/** Every shard, checked, with all that belongs to it. */
async function pushShards(
  { source, signer, onShard }: PushRequest,
  manifest: Manifest,
  upload: Upload,
  { columns, parquet }: { readonly columns: readonly HubColumn[]; readonly parquet: readonly string[] },
): Promise<void> {
  const { shards } = manifest;
  for await (const record of readPublishedRecords(source, manifest)) {
    const bytes = await source.get(record.key);
    const read = checkShard(bytes, record);
    await upload.add(record.key, bytes!);
    const images = await imagesOf(bytes!, read, manifest, signer ?? null);
    await upload.add(parquet[record.shard]!, renderParquet(columns, read, images));
    for (const key of [shards[record.shard]!.record, ...featuresOf(record)])
      await upload.add(key, await get(source, key));
    onShard(record.shard + 1, shards.length);
  }
}

/** The images of a shard, signed where there is a signer. */
async function imagesOf(
  shard: Uint8Array,
  samples: readonly ShardSample[],
  manifest: Manifest,
  signer: CredentialSigner | null,
): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  for (const { key, image } of samples) {
    const content = contentOf(shard, image);
    images.push(signer ? await signImage(content, `${key}.${image.extension}`, manifest, signer) : content);
  }
  return images;
}

const featuresOf = ({ features }: ShardRecord): string[] => (features ? [features.key] : []);

/** The files beside the shards, checked against the manifest, and the signatures. */
async function pushFiles(source: ObjectStore, { files }: Manifest, upload: Upload): Promise<void> {
  for (const { key, sha256: wanted } of files) {
    const bytes = await get(source, key);
    if (sha256(bytes) !== wanted)
      throw new DatasetError(key, 'is not the file that the manifest lists; run cohortfarm verify');
    await upload.add(key === objects.card ? CARD_ON_HUB : key, bytes);
  }
  for await (const { key } of source.list(objects.signatures)) await upload.add(key, await get(source, key));
}

async function get(source: ObjectStore, key: string): Promise<Uint8Array> {
  const bytes = await source.get(key);
  if (!bytes) throw new DatasetError(key, 'is missing; run cohortfarm verify');
  return bytes;
}
