import { Failure } from '../../contract/failure.ts';
import { type SampleRecord, sampleRecordSchema } from '../../contract/schema/record.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { parseStored } from '../stored.ts';
import type { Place } from './index-file.ts';

/** Reading one sample out of a tar with one range request: image, prompt and record stand one after the other. */

export interface StoredSample {
  readonly image: Uint8Array;
  readonly format: 'jpeg' | 'png';
  readonly record: SampleRecord;
}

/** More than any image that a worker writes; an index that claims more is wrong. Bytes. */
const MAX_BYTES = 2 ** 28;

/** @throws Failure that names the object when what lies there is not the sample */
export async function readSample(
  store: ObjectStore,
  object: string,
  { image, json }: Place,
  index: number,
): Promise<StoredSample> {
  const range = { start: image.offset, end: json.offset + json.size };
  const wrong = (what: string): Failure =>
    new Failure(
      'DatasetDamaged',
      `${object} ${what} at bytes ${range.start} to ${range.end}, where sample ${index} should be; run cohortfarm verify`,
    );
  const ordered = image.offset >= 0 && image.size > 0 && image.offset + image.size <= json.offset && json.size > 0;
  if (!ordered || range.end - range.start > MAX_BYTES) throw wrong('has no possible place for a sample');
  const bytes = await store.get(object, range);
  if (!bytes) throw new Failure('DatasetDamaged', `${object} is missing; run cohortfarm verify`);
  const parsed = parseStored(bytes.subarray(json.offset - image.offset), sampleRecordSchema);
  if (typeof parsed === 'string') throw wrong(`holds a record that ${parsed}`);
  if (parsed.value.index !== index) throw wrong(`holds sample ${parsed.value.index}`);
  const content = bytes.subarray(0, image.size);
  const format = imageFormat(content);
  if (!format) throw wrong('holds no JPEG or PNG image');
  return { image: content, format, record: parsed.value };
}

/** By the first bytes; null for anything that is not an image of a dataset. */
export function imageFormat(bytes: Uint8Array): 'jpeg' | 'png' | null {
  const begins = (...signature: number[]): boolean => signature.every((byte, i) => bytes[i] === byte);
  if (begins(0xff, 0xd8, 0xff)) return 'jpeg';
  return begins(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a) ? 'png' : null;
}
