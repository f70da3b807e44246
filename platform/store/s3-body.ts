import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { notS3Answer } from './s3-errors.ts';
import { BrokenBodyError } from './s3-retry.ts';

/** The bytes of an answer. @throws BrokenBodyError when they were cut off or damaged on the way */
export async function bodyOf({ ETag, Body, ContentLength }: GetObjectCommandOutput): Promise<Uint8Array> {
  if (ETag === undefined || Body === undefined) throw notS3Answer();
  try {
    if (ContentLength === undefined || !(Body instanceof Readable)) return await Body.transformToByteArray();
    return await collect(Body, ContentLength);
  } catch (cause) {
    throw new BrokenBodyError(`the answer broke off: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Reads a stream of known length into one buffer: gathered in pieces, a large shard would be in memory twice. */
async function collect(stream: Readable, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, at); // @throws RangeError when there is more
    at += chunk.length;
  }
  if (at !== length) throw new Error(`${at} of ${length} bytes came`);
  return bytes;
}
