import type { ObjectBody, StreamedBody } from './types.ts';

/** Reading a body in whatever form it is given. */

export const isStreamed = (body: ObjectBody): body is StreamedBody => 'chunks' in body;

/** Bytes. */
export function sizeOf(body: ObjectBody): number {
  if (body instanceof Uint8Array) return body.length;
  return isStreamed(body) ? body.size : body.reduce((sum, chunk) => sum + chunk.length, 0);
}

export function chunksOf(body: ObjectBody): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (body instanceof Uint8Array) return [body];
  return isStreamed(body) ? body.chunks() : body;
}

/** The whole content in one piece. */
export async function wholeBody(body: ObjectBody): Promise<Uint8Array> {
  return body instanceof Uint8Array ? body : Buffer.concat(await Array.fromAsync(chunksOf(body)));
}
