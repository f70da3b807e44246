import { sha256 } from '../../contract/digest.ts';
import { Failure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { type Manifest, type ManifestObject, manifestSchema } from '../../contract/schema/manifest.ts';
import { type HubFile, type HubRepository, hasContent } from '../../platform/hub.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { workAhead } from '../ahead.ts';
import { CARD_ON_HUB } from '../publish/card-front.ts';
import { DatasetError, SHARDS_AHEAD } from '../publish/records.ts';
import { parseStored } from '../stored.ts';

/**
 * A dataset from the Hub, as it was before it was pushed: the Parquet files stay there, and the card gets its place back.
 * Every object is checked on the way, by the manifest and by the digests of the Hub, and none is written twice: a pull may be
 * stopped anywhere and run again. dataset.json is written last.
 */
export interface PullRequest {
  readonly repository: HubRepository;
  readonly target: ObjectStore;
  /** Called after each object, with how many are done. */
  readonly onObject: (done: number, all: number) => void;
}

export interface Pulled {
  readonly samples: number;
  readonly objects: number;
  /** Objects that were not there before. */
  readonly written: number;
}

/** An object of the dataset. */
interface Wanted {
  readonly key: string;
  readonly file: HubFile;
  readonly bytes: number;
  /** By the manifest; null where that does not say. */
  readonly sha256: string | null;
}

/** Bytes of an object whose size no manifest states, at most: it is in memory at once. */
const MAX_UNLISTED = 2 ** 29;

/** @throws Failure when there is no dataset, an object is missing or damaged, or the target holds anything else */
export async function pullDataset({ repository, target, onObject }: PullRequest): Promise<Pulled> {
  const files = await repository.files();
  const { manifest, bytes } = await readRemoteManifest(repository, files);
  const wanted = listWanted(repository, manifest, files);
  const present = await checkTarget(target, new Set([...wanted.map(({ key }) => key), objects.manifest]));
  let [done, written] = [0, 0];
  const bring = async (one: Wanted): Promise<boolean> => {
    if (present.has(one.key)) {
      await compare(target, one);
      return false;
    }
    const content = await repository.read(one.file);
    if (one.sha256 !== null && sha256(content) !== one.sha256)
      throw new DatasetError(`${repository.uri}/${one.file.path}`, 'is not the object that its manifest lists');
    return write(target, one.key, content);
  };
  for await (const isNew of workAhead(wanted, bring, { ...SHARDS_AHEAD, weightOf: ({ bytes }) => bytes })) {
    written += Number(isNew);
    onObject(++done, wanted.length + 1);
  }
  const last = await target.get(objects.manifest);
  if (last && !Buffer.from(bytes).equals(last)) throw taken(target, objects.manifest);
  written += Number(!last && (await write(target, objects.manifest, bytes)));
  onObject(wanted.length + 1, wanted.length + 1);
  return { samples: manifest.samples.accepted, objects: wanted.length + 1, written };
}

const taken = (target: ObjectStore, key: string): Failure =>
  new Failure('OutputTaken', `${target.uri}/${key} has another content than this dataset's; pull to an empty place`);

async function readRemoteManifest(
  repository: HubRepository,
  files: ReadonlyMap<string, HubFile>,
): Promise<{ manifest: Manifest; bytes: Uint8Array }> {
  const file = files.get(objects.manifest);
  if (!file || file.bytes > MAX_UNLISTED)
    throw new Failure(
      'DatasetDamaged',
      `${repository.uri} holds no complete dataset of CohortFarm: ${objects.manifest} ${file ? 'is too large' : 'is missing'}`,
    );
  const bytes = await repository.read(file);
  const parsed = parseStored(bytes, manifestSchema);
  if (typeof parsed === 'string') throw new DatasetError(`${repository.uri}/${objects.manifest}`, parsed);
  return { manifest: parsed.value, bytes };
}

/** Objects that a published dataset has beside its manifest; a hostile manifest names no others. */
const PUBLISHED = /^(?:[^/]+|(?:shards|records|features)\/[^/]+)$/;

function listWanted(
  { uri }: HubRepository,
  { shards, files: listed }: Manifest,
  files: ReadonlyMap<string, HubFile>,
): Wanted[] {
  const find = (key: string, stated: Pick<ManifestObject, 'bytes' | 'sha256'> | null): Wanted => {
    const path = key === objects.card ? CARD_ON_HUB : key;
    const file = files.get(path);
    if (!PUBLISHED.test(key) || key === objects.manifest)
      throw new DatasetError(`${uri}/${objects.manifest}`, `lists ${JSON.stringify(key)}`);
    if (!file) throw new DatasetError(`${uri}/${path}`, 'is missing; the push was not finished, or it was removed');
    const { bytes } = file;
    if (stated ? bytes !== stated.bytes : bytes > MAX_UNLISTED)
      throw new DatasetError(
        `${uri}/${path}`,
        `has ${bytes} bytes, where ${stated ? `its manifest states ${stated.bytes}` : `${MAX_UNLISTED} are the most`}; nothing of it is downloaded`,
      );
    return { key, file, bytes, sha256: stated?.sha256 ?? null };
  };
  const unlisted = [...files.values()].filter(
    ({ path }) => path.startsWith(objects.featuresFolder) || /^signatures\/[^/]+\.json$/.test(path),
  );
  return [
    ...shards.flatMap((shard) => [find(shard.key, shard), find(shard.record, null)]),
    ...listed.map((object) => find(object.key, object)),
    ...unlisted.map(({ path }) => find(path, null)),
  ];
}

/** The objects that are there already. @throws Failure when one is not of this dataset */
async function checkTarget(target: ObjectStore, known: ReadonlySet<string>): Promise<Set<string>> {
  const present = new Set<string>();
  for await (const { key } of target.list('')) {
    if (!known.has(key))
      throw new Failure('OutputTaken', `${target.uri} is not empty (${key}); pull to an empty place`);
    present.add(key);
  }
  return present;
}

async function compare(target: ObjectStore, { key, file }: Wanted): Promise<void> {
  const content = await target.get(key);
  if (!content || !hasContent(file, content)) throw taken(target, key);
}

async function write(target: ObjectStore, key: string, content: Uint8Array): Promise<boolean> {
  return (await target.create(key, content, { contentType: contentTypeOf(key) })) === 'created';
}

const TYPES: ReadonlyMap<string, string> = new Map(Object.entries({ ...CONTENT_TYPES, md: CONTENT_TYPES.markdown }));

const contentTypeOf = (key: string): string =>
  TYPES.get(key.slice(key.lastIndexOf('.') + 1)) ?? 'application/octet-stream';
