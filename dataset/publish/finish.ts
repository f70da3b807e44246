import { canonicalFile, digestOf, sha256 } from '../../contract/digest.ts';
import { otherPlanFailure } from '../../contract/failure.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import type { Plan } from '../../contract/plan/plan.ts';
import { type Manifest, type ManifestObject, manifestSchema } from '../../contract/schema/manifest.ts';
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
 * A publisher that comes after the seal writes the very bytes that it fixes, so a file never changes once it has its name.
 */

/** A file beside the shards, as the manifest lists it, and its bytes in chunks. */
export interface DerivedFile {
  readonly object: ManifestObject;
  readonly contentType: string;
  readonly body: readonly Uint8Array[];
}

export function derivedFile(key: string, contentType: string, body: readonly Uint8Array[]): DerivedFile {
  const bytes = body.reduce((sum, chunk) => sum + chunk.length, 0);
  return { object: { key, bytes, sha256: sha256(...body) }, contentType, body };
}

/** A manifest as its readers read it, and its bytes, which leave out what is a default. */
interface Sealed {
  readonly manifest: Manifest;
  readonly body: Uint8Array;
}

/** A publication as one publisher would have it. */
interface Publication extends Sealed {
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
  const body = canonicalFile({ ...draft, files: files.map(({ object }) => object) });
  // Read as its readers will, before it is there for good.
  const own: Publication = { manifest: manifestSchema.parse(JSON.parse(body.toString())), body, files };
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

/** Seals of other shards, which were remade since, have other names. */
const sealKey = ({ planDigest, shards }: Manifest): string => objects.publication(digestOf({ planDigest, shards }));

/** The publication: ours, unless another publisher sealed its own before; null when it is damaged. */
async function seal(store: ObjectStore, own: Publication): Promise<Sealed | null> {
  const key = sealKey(own.manifest);
  const there = await store.get(key);
  if (there) return readSeal(there);
  for (const { object, contentType, body } of own.files)
    await store.create(objects.staged(object.sha256), body, { contentType });
  const written = await store.create(key, own.body, { contentType: CONTENT_TYPES.json });
  if (written === 'created') return own;
  const theirs = await store.get(key);
  return theirs && readSeal(theirs);
}

function readSeal(body: Uint8Array): Sealed | null {
  const parsed = parseStored(body, manifestSchema);
  return typeof parsed === 'string' ? null : { manifest: parsed.value, body };
}

async function readStaged(store: ObjectStore, digest: string): Promise<Uint8Array | null> {
  const bytes = await store.get(objects.staged(digest));
  return bytes && sha256(bytes) === digest ? bytes : null;
}

/** Writes what is sealed; false when a staged file is not there, or not what it was. */
async function writeSealed(store: ObjectStore, sealed: Sealed, own: Publication): Promise<boolean> {
  const ours = new Map(own.files.map((file) => [file.object.key, file]));
  for (const { key, sha256: digest } of sealed.manifest.files) {
    const file = ours.get(key);
    const contentType = file?.contentType ?? 'application/octet-stream';
    const body = file?.object.sha256 === digest ? file.body : await readStaged(store, digest);
    if (!body) return false;
    await store.replace(key, body, { contentType });
  }
  await store.create(objects.manifest, sealed.body, { contentType: CONTENT_TYPES.json });
  return true;
}
