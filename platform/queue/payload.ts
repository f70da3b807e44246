import { gunzipSync, gzipSync } from 'node:zlib';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { z } from 'zod';

/** Messages are JSON, in gzip where they are large: a plan of 40,000 cells stays below NATS' usual limit of 1 MB. */

const ZIP_FROM = 64 * 1024;
/** Unpacked; a small gzip can unpack to any size. */
const MAX_BYTES = 64 * 2 ** 20;
const ENCODING = 'content-encoding';

export interface Payload {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
}

export function encodePayload(value: unknown): Payload {
  const json = Buffer.from(JSON.stringify(value));
  const marks = headers();
  if (json.length <= ZIP_FROM) return { data: json, headers: marks };
  marks.set(ENCODING, 'gzip');
  return { data: gzipSync(json), headers: marks };
}

interface Received {
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
}

/** The message's value, or what is wrong with it. */
export function decodePayload<T>(message: Received, schema: z.ZodType<T>): { value: T } | { fault: string } {
  let json: unknown;
  try {
    const zipped = message.headers?.get(ENCODING) === 'gzip';
    const bytes = zipped ? gunzipSync(message.data, { maxOutputLength: MAX_BYTES }) : message.data;
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    return { fault: (error as Error).message };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { value: parsed.data };
  const [issue] = parsed.error.issues;
  return { fault: `${issue?.path.join('.') || 'the whole'}: ${issue?.message}` };
}
