import { canonicalFile, canonicalJson, sha256 } from '../../contract/digest.ts';
import { type PartRecord, partRecordSchema, type SampleRecord } from '../../contract/schema/record.ts';
import { type HalfMatrix, npyHeader, readNpy } from '../../platform/npy.ts';
import { uint16Bytes } from '../../platform/uint16.ts';
import { findMembers, listMembers, TAR_END, tarMember } from './tar.ts';

/**
 * A part: a checkpoint of some consecutive samples of a shard. It is one object, a tar whose first member is the part's
 * record and whose other members are the shard's, byte for byte; between them lie the feature vectors of its images, if there
 * are any.
 */

const RECORD_NAME = '_part.json';
const FEATURES_NAME = '_features.npy';

/** The members of one accepted sample, as the shard holds them. */
export function sampleMembers(key: string, extension: string, image: Uint8Array, record: SampleRecord): Uint8Array[] {
  return [
    tarMember(`${key}.${extension}`, image),
    tarMember(`${key}.txt`, Buffer.from(record.prompt)),
    tarMember(`${key}.json`, canonicalFile(record)),
  ];
}

/** The part as stored, with a digest of all that it says. Members are whole tar members in the order of the samples. */
export function encodePart(
  record: PartRecord,
  members: readonly Uint8Array[],
  features: readonly Uint16Array[] = [],
): Uint8Array[] {
  const rest = [...featureMembers(features), ...members];
  const head = canonicalJson({ ...record, digest: digestOfPart(record, rest) });
  return [tarMember(RECORD_NAME, Buffer.from(head)), ...rest, TAR_END];
}

function featureMembers(features: readonly Uint16Array[]): Uint8Array[] {
  if (features.length === 0) return [];
  const content = Buffer.concat([npyHeader(features.length, features[0]!.length), ...features.map(uint16Bytes)]);
  return [tarMember(FEATURES_NAME, content)];
}

const digestOfPart = (record: PartRecord, members: readonly Uint8Array[]): string =>
  sha256(canonicalJson(record), ...members);

/** A part as it is read back. */
export interface DecodedPart {
  readonly record: PartRecord;
  /** The bytes that go into the shard. */
  readonly members: Uint8Array;
  /** One row for each accepted sample, in order; null where there are none. */
  readonly features: HalfMatrix | null;
}

/** Reads a stored part back. @throws Error when it is damaged */
export function decodePart(part: Uint8Array): DecodedPart {
  const [first, second, third] = listMembers(part);
  if (first?.name !== RECORD_NAME) throw new TypeError(`a part begins with ${RECORD_NAME}, not ${first?.name}`);
  const text = Buffer.from(part.subarray(first.offset, first.offset + first.size)).toString();
  const end = part.length - TAR_END.length;
  const rest = second ? second.offset - 512 : end;
  const featured = second?.name === FEATURES_NAME ? second : null;
  const begin = featured ? (third ? third.offset - 512 : end) : rest;
  const { digest, ...record } = partRecordSchema.parse(JSON.parse(text));
  const members = part.subarray(begin, end);
  const found = digestOfPart(record, [part.subarray(rest, end)]);
  if (digest !== undefined && digest !== found) throw new Error(`it has the digest ${found}, not ${digest}`);
  const features = featured && readNpy(part.subarray(featured.offset, featured.offset + featured.size));
  return { record, members, features };
}

/** The record of a part of which only the first bytes are at hand; null when they do not hold all of it. */
export function readPartRecord(head: Uint8Array): PartRecord | null {
  const [first] = findMembers(head.subarray(0, 512), 0, (name) => name === RECORD_NAME);
  if (!first || first.offset + first.size > head.length) return null;
  const text = Buffer.from(head.subarray(first.offset, first.offset + first.size)).toString();
  return partRecordSchema.parse(JSON.parse(text));
}

export interface StoredPart {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Chooses stored parts that cover as much of a shard's range as possible without overlap, and says which ranges are still to
 * be made, cut at multiples of `size` from the start of the shard.
 */
export function chainParts(
  parts: readonly StoredPart[],
  range: { start: number; end: number },
  size: number,
): { parts: StoredPart[]; missing: { start: number; end: number }[] } {
  const chain = largestCover(parts.filter(({ start, end }) => range.start <= start && start < end && end <= range.end));
  const missing: { start: number; end: number }[] = [];
  let at = range.start;
  for (const { start, end } of [...chain, { start: range.end, end: range.end }]) {
    while (at < start) {
      const next = nextCut(range.start, at, size, start);
      missing.push({ start: at, end: next });
      at = next;
    }
    at = end;
  }
  return { parts: chain, missing };
}

/** The parts that cover most samples without overlap, in order (weighted interval scheduling). */
function largestCover(parts: readonly StoredPart[]): StoredPart[] {
  const sorted = [...parts].sort((a, b) => a.end - b.end || a.start - b.start);
  /** For the first i parts: how many samples can be covered, the last part of that choice, and the choice before it. */
  const best: { covered: number; part: StoredPart | null; before: number }[] = [{ covered: 0, part: null, before: 0 }];
  for (const [i, part] of sorted.entries()) {
    const before = countEndingBy(sorted, part.start);
    const covered = best[before]!.covered + part.end - part.start;
    best.push(covered > best[i]!.covered ? { covered, part, before } : best[i]!);
  }
  const chosen: StoredPart[] = [];
  for (let choice = best.at(-1)!; choice.part; choice = best[choice.before]!) chosen.push(choice.part);
  return chosen.reverse();
}

/** Counts the parts, sorted by their end, that end at `at` or before. */
function countEndingBy(sorted: readonly StoredPart[], at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.end <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The end of a new part that starts at `at`: the next multiple of `size` from the start, or `limit`. */
function nextCut(start: number, at: number, size: number, limit: number): number {
  return Math.min(limit, start + (Math.floor((at - start) / size) + 1) * size);
}
