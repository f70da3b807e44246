import { createHash } from 'node:crypto';

/**
 * Canonical JSON: object keys in code-unit order, no white space, numbers as ECMAScript prints them (the rules of
 * RFC 8785), so that equal values have equal bytes. Members that are undefined are left out.
 * @throws TypeError for what JSON cannot hold: undefined in a list, functions, symbols, bigints, NaN and infinities, and
 *   objects that are not plain maps, such as a Date
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) throw new TypeError('JSON cannot hold class instances');
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  const scalar = value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
  if (!scalar) throw new TypeError(`JSON cannot hold ${String(value)}`);
  return JSON.stringify(value);
}

/** The canonical JSON of a value as the content of a file. */
export const canonicalFile = (value: unknown): Buffer => Buffer.from(`${canonicalJson(value)}\n`);

/** Node hashes no more than 2^31 - 1 bytes in one call. */
const HASHED_AT_ONCE = 2 ** 30;

/** SHA-256 as 64 lower-case hexadecimal digits, of one buffer or of several read as one, of any length. */
export function sha256(...chunks: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) {
    if (typeof chunk === 'string') hash.update(chunk);
    else for (let at = 0; at < chunk.length; at += HASHED_AT_ONCE) hash.update(chunk.subarray(at, at + HASHED_AT_ONCE));
  }
  return hash.digest('hex');
}

/** The SHA-256 of a value's canonical JSON. */
export function digestOf(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** The SHA-256 of the canonical JSON of many values, a line each: of a list that may be too long for one text. */
export function digestOfLines(values: Iterable<unknown>): string {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`${canonicalJson(value)}\n`);
  return hash.digest('hex');
}

/** A UUID (RFC 9562, version 8) that follows from its parts: of their SHA-256. */
export function derivedUuid(...parts: readonly string[]): string {
  const bytes = createHash('sha256').update(parts.join('\n')).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
