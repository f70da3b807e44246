import { canonicalJson, digestOf, sha256 } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import { type Manifest, manifestSchema } from '../../contract/schema/manifest.ts';
import { type ObjectStore, StoreError } from '../../platform/store/store.ts';
import { readManifest } from '../claim.ts';
import { parseStored } from '../stored.ts';
import type { Draft } from './manifest.ts';

/**
 * How a publication becomes final, safe against being killed and against a second publisher, whose files may differ: another
 * version, or other annotations.
 *
 *   staged copies of the files --> seal (the first publisher decides what is published) --> files --> dataset.json
 *
 * Whoever comes after the seal writes the very bytes that it fixes, so a file never changes once it has its name.
 */

/** A file beside the shards. */
export interface DerivedFile {
  readonly key: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** A publication as one publisher would have it. */
interface Publication {
  readonly manifest: Manifest;
  readonly files: readonly DerivedFile[];
}

const TRIES = 3;

/** Writes the files and the manifest, unless another publisher has decided otherwise: then its manifest counts. */
export async function finishPublication(
  store: ObjectStore,
  plan: Plan,
  draft: Draft,
  files: readonly DerivedFile[],
): Promise<Manifest> {
  const objectOf = ({ key, body }: DerivedFile) => ({ key, bytes: body.length, sha256: sha256(body) });
  // Read as its readers will, before it is there for good.
  const manifest = manifestSchema.parse(JSON.parse(canonicalJson({ ...draft, files: files.map(objectOf) })));
  const own: Publication = { manifest, files };
  for (let attempt = 1; ; attempt++) {
    const sealed = await seal(store, own);
    // A publisher that has finished removes the seal; only then could this one be made after the manifest.
    const published = await readOwnManifest(store, plan);
    if (published) return published;
    if (sealed && (await writeSealed(store, sealed, own)))
      return (await readOwnManifest(store, plan)) ?? throwVanished(store);
    // A staged file, or the seal, was lost or damaged at rest.
    if (attempt === TRIES) throwVanished(store);
    await store.remove([sealKey(own.manifest)]);
  }
}

function throwVanished(store: ObjectStore): never {
  throw new StoreError('retryable', `objects of ${store.uri} vanished while the dataset was published; publish again`);
}

/** The manifest that is there; null when there is none. @throws Failure when it is of another plan */
export async function readOwnManifest(store: ObjectStore, plan: Plan): Promise<Manifest | null> {
  const manifest = await readManifest(store);
  if (manifest && manifest.planDigest !== plan.digest) {
    throw otherPlanFailure(store.uri, { planDigest: manifest.planDigest, dataset: manifest.name }, plan);
  }
  return manifest;
}

/** Seals of other shards, which were made anew since, have other names. */
const sealKey = ({ planDigest, shards }: Manifest): string => objects.publication(digestOf({ planDigest, shards }));

/** The manifest that is to be published: ours, unless another publisher sealed its own before; null when it is damaged. */
async function seal(store: ObjectStore, { manifest, files }: Publication): Promise<Manifest | null> {
  const key = sealKey(manifest);
  const there = await store.get(key);
  if (there) return readSeal(there);
  for (const { body } of files) {
    await store.create(objects.staged(sha256(body)), body, { contentType: 'application/octet-stream' });
  }
  const written = await store.create(key, bodyOf(manifest), { contentType: CONTENT_TYPES.json });
  if (written === 'created') return manifest;
  const theirs = await store.get(key);
  return theirs && readSeal(theirs);
}

function readSeal(bytes: Uint8Array): Manifest | null {
  const parsed = parseStored(bytes, manifestSchema);
  return typeof parsed === 'string' ? null : parsed.value;
}

const bodyOf = (manifest: Manifest): Uint8Array => Buffer.from(`${canonicalJson(manifest)}\n`);

/** Writes what is sealed; false when a staged file is not there, or not what it was. */
async function writeSealed(store: ObjectStore, sealed: Manifest, own: Publication): Promise<boolean> {
  const contentTypes = new Map(own.files.map(({ key, contentType }) => [key, contentType]));
  for (const [i, { key, sha256: digest }] of sealed.files.entries()) {
    const isOurs = own.manifest.files[i]?.sha256 === digest;
    const body = isOurs ? own.files[i]!.body : await store.get(objects.staged(digest));
    if (!body || (!isOurs && sha256(body) !== digest)) return false;
    await store.replace(key, body, { contentType: contentTypes.get(key) ?? 'application/octet-stream' });
  }
  await store.create(objects.manifest, bodyOf(sealed), { contentType: CONTENT_TYPES.json });
  return true;
}
