import { objects } from '../../contract/names.ts';
import { type RejectedRecord, rejectedRecordSchema } from '../../contract/schema/record.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readStored } from '../stored.ts';
import { imageFormat } from './sample.ts';

/** The rejected images that were kept, as `quality.keepRejected` asks. */

export interface KeptImage {
  /** `CELL/PLACE`, in digits: the object's name without folder and ending. */
  readonly id: string;
  readonly record: RejectedRecord;
}

const ID = /^(\d{6,})\/(\d{4,})$/;

/** Ids of the kept images of a cell, in order. An image is written after its record, so both are looked for. */
export async function listRejected(store: ObjectStore, cell: number): Promise<string[]> {
  const [records, images] = [new Set<string>(), new Set<string>()];
  for await (const { key } of store.list(objects.rejectedOf(cell))) {
    const [, id, extension] = /^rejected\/(\d{6,}\/\d{4,})\.(json|jpg|png)$/.exec(key) ?? [];
    if (id !== undefined) (extension === 'json' ? records : images).add(id);
  }
  return [...records.intersection(images)].sort();
}

/** The record of a kept image; null when there is none. @throws StoreError when it is not as workers write it */
export async function readRejected(store: ObjectStore, id: string): Promise<KeptImage | null> {
  if (!ID.test(id)) return null;
  const record = await readStored(store, `rejected/${id}.json`, rejectedRecordSchema);
  return record && { id, record };
}

/** The image itself, of whichever format; null when there is none. */
export async function readRejectedImage(
  store: ObjectStore,
  id: string,
): Promise<{ image: Uint8Array; format: 'jpeg' | 'png' } | null> {
  if (!ID.test(id)) return null;
  const image = (await store.get(`rejected/${id}.jpg`)) ?? (await store.get(`rejected/${id}.png`));
  const format = image && imageFormat(image);
  return image && format ? { image, format } : null;
}
