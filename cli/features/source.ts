import { stat } from 'node:fs/promises';
import { UsageError } from '../../contract/failure.ts';
import { readCsv } from '../../platform/csv.ts';
import { resolveUri } from '../../platform/resource.ts';
import { type ObjectStore, objectAt, openStore, type S3Options } from '../../platform/store/store.ts';
import { imagesOf, type Layout, type RealImage } from './images.ts';

/** Real images at a URI: a CSV that lists them, or a folder with metadata.csv, or with the folders training and heldOut. */
export interface Source {
  /** The store that paths are relative to. */
  readonly store: ObjectStore;
  readonly images: readonly RealImage[];
}

const TABLE = 'metadata.csv';
const IMAGE = /\.(png|jpe?g|webp|tiff?)$/i;

/** @throws UsageError when there is nothing, SpecError with what is wrong with the CSV */
export async function readSource(uri: string, layout: Omit<Layout, 'name'>, s3: S3Options): Promise<Source> {
  const place = resolveUri(uri, process.cwd());
  if (/\.csv(\.gz)?$/i.test(place)) {
    const { store, key } = objectAt(place, s3);
    return { store, images: await listed(store, key, layout) };
  }
  if (!place.startsWith('s3:') && !(await stat(place).catch(() => null)))
    throw new UsageError(`${uri} does not exist; give a CSV file, or a folder of images`);
  const store = openStore(place, s3);
  if (await store.stat(TABLE)) return { store, images: await listed(store, TABLE, layout) };
  const images: RealImage[] = [];
  for (const split of ['training', 'heldOut'] as const)
    for await (const { key } of store.list(`${split}/`))
      if (IMAGE.test(key)) images.push({ path: key, split, patient: key, groups: {} });
  if (images.length > 0) return { store, images };
  throw new UsageError(`${uri} holds no ${TABLE} and no images in the folders training and heldOut; give a CSV file`);
}

async function listed(store: ObjectStore, key: string, layout: Omit<Layout, 'name'>): Promise<RealImage[]> {
  const bytes = await store.get(key);
  if (!bytes) throw new UsageError(`${store.uri}/${key} does not exist; give a CSV file, or a folder of images`);
  return imagesOf(readCsv(bytes, key), { ...layout, name: key });
}
