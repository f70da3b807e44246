import { sha256 } from '../../contract/digest.ts';
import { UsageError } from '../../contract/failure.ts';
import type { ReferenceDescription } from '../../contract/schema/reference.ts';
import { workAhead } from '../../dataset/ahead.ts';
import { type ReferenceImage, writeReference } from '../../dataset/write-reference.ts';
import { areZero } from '../../platform/half.ts';
import { decodeImage, stretchToEightBits } from '../../platform/image/image.ts';
import { type ObjectStore, openStore, type S3Options } from '../../platform/store/store.ts';
import { type LoadedEncoder, loadEncoder } from '../../worker/encoder/encoder.ts';
import type { RealImage } from './images.ts';

/** Encoding real images as a reference. */

export interface EncodeRequest {
  readonly images: readonly RealImage[];
  readonly axes: readonly string[];
  readonly salt: string;
  readonly encoder: { readonly dir: string; readonly digest: string };
  readonly provider: 'cpu' | 'cuda';
  /** URIs of the stores that images are read from and that the reference is written to. */
  readonly source: string;
  readonly target: string;
  readonly s3: S3Options;
}

/** @throws Failure that names the file that is missing, is not an image, or does not fit */
export async function encodeReference(request: EncodeRequest): Promise<ReferenceDescription> {
  const { images, axes, salt, encoder, provider, source, target, s3 } = request;
  const loaded = await loadEncoder(encoder.dir, { provider });
  const encoded = await encodeImages(openStore(source, s3), images, loaded, salt);
  const made = { name: loaded.name, sha256: encoder.digest };
  return writeReference(openStore(target, s3), { encoder: made, axes, images: encoded });
}

const BATCH = 32;
const AHEAD = { items: 2 * BATCH };

/** Reads and encodes images in order. @throws UsageError that names the file that is missing or is not an image */
async function encodeImages(
  store: ObjectStore,
  images: readonly RealImage[],
  encoder: LoadedEncoder,
  salt: string,
): Promise<ReferenceImage[]> {
  const done: ReferenceImage[] = [];
  let batch: { image: RealImage; bytes: Uint8Array }[] = [];
  const encode = async (): Promise<void> => {
    const raw = await Promise.all(batch.map(({ image, bytes }) => decoded(bytes, `${store.uri}/${image.path}`)));
    const vectors = await encoder.encode(raw);
    const nothing = vectors.findIndex(areZero);
    if (nothing >= 0)
      throw new UsageError(
        `the encoder ${encoder.name} gives no finite features of ${store.uri}/${batch[nothing]!.image.path}; leave the image out, or export the encoder with normalised outputs`,
      );
    for (const [i, { image, bytes }] of batch.entries())
      done.push({
        split: image.split,
        image: sha256(bytes),
        patient: sha256(`${salt}\n${image.patient}`),
        groups: image.groups,
        vector: vectors[i]!,
      });
    batch = [];
  };
  const read = async (image: RealImage) => ({ image, bytes: await bytesOf(store, image.path) });
  for await (const one of workAhead(images, read, AHEAD)) {
    batch.push(one);
    if (batch.length === BATCH) await encode();
  }
  await encode();
  return done;
}

async function bytesOf(store: ObjectStore, path: string): Promise<Uint8Array> {
  const bytes = await store.get(path);
  if (bytes) return bytes;
  throw new UsageError(`${store.uri}/${path} does not exist; correct the path in the CSV, or remove the row`);
}

const decoded = (bytes: Uint8Array, name: string) =>
  decodeImage(bytes).then(stretchToEightBits, (cause: Error) => {
    throw new UsageError(`${name} cannot be read as an image (${cause.message.split('\n')[0]}); repair or remove it`, {
      cause,
    });
  });
