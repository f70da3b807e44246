import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { type PartRecord, partRecordSchema, type SampleRecord } from '../../contract/schema/record.ts';
import { findMembers, listMembers, TAR_END, tarMember } from './tar.ts';

/**
 * A part: a checkpoint of some consecutive samples of a shard. It is one object, a tar whose first member is the part's
 * record and whose other members are the shard's, byte for byte.
 */

const RECORD_NAME = '_part.json';

/** The members of one accepted sample, as they stand in the shard. */
export function sampleMembers(key: string, extension: string, image: Uint8Array, record: SampleRecord): Uint8Array[] {
  return [
    tarMember(`${key}.${extension}`, image),
    tarMember(`${key}.txt`, Buffer.from(record.prompt)),
    tarMember(`${key}.json`, Buffer.from(`${canonicalJson(record)}\n`)),
  ];
}

/** The part as stored, with a digest of all that it says. Members are whole tar members in the order of the samples. */
export function encodePart(record: PartRecord, members: readonly Uint8Array[]): Uint8Array[] {
  const head = canonicalJson({ ...record, digest: digestOfPart(record, members) });
  return [tarMember(RECORD_NAME, Buffer.from(head)), ...members, TAR_END];
}

const digestOfPart = (record: PartRecord, members: readonly Uint8Array[]): string =>
  sha256(canonicalJson(record), ...members);

/** Reads a stored part back: its record, and the bytes that go into the shard. @throws Error when it is damaged */
export function decodePart(part: Uint8Array): { record: PartRecord; members: Uint8Array } {
  const [first, second] = listMembers(part);
  if (first?.name !== RECORD_NAME) throw new TypeError(`a part begins with ${RECORD_NAME}, not ${first?.name}`);
  const text = Buffer.from(part.subarray(first.offset, first.offset + first.size)).toString();
  const end = part.length - TAR_END.length;
  const begin = second ? second.offset - 512 : end;
  const { digest, ...record } = partRecordSchema.parse(JSON.parse(text));
  const members = part.subarray(begin, end);
  const found = digestOfPart(record, [members]);
  if (digest !== undefined && digest !== found) throw new Error(`it has the digest ${found}, not ${digest}`);
  return { record, members };
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
 * Chooses stored parts that cover a shard's range without overlap, longest first at each position, and says which
 * ranges are still to be made, cut at multiples of `size` from the start of the shard.
 */
export function chainParts(
  parts: readonly StoredPart[],
  range: { start: number; end: number },
  size: number,
): { parts: StoredPart[]; missing: { start: number; end: number }[] } {
  const chain: StoredPart[] = [];
  const missing: { start: number; end: number }[] = [];
  let at = range.start;
  while (at < range.end) {
    const fitting = parts.filter((part) => part.start === at && part.end > at && part.end <= range.end);
    const longest = fitting.reduce<StoredPart | null>(
      (best, part) => (!best || part.end > best.end ? part : best),
      null,
    );
    if (longest) chain.push(longest);
    const next = longest?.end ?? nextCut(parts, range, at, size);
    if (!longest) missing.push({ start: at, end: next });
    at = next;
  }
  return { parts: chain, missing };
}

/** Where a new part that starts at `at` ends: at the next multiple of `size`, or where a stored part begins. */
function nextCut(
  parts: readonly StoredPart[],
  range: { start: number; end: number },
  at: number,
  size: number,
): number {
  const grid = range.start + (Math.floor((at - range.start) / size) + 1) * size;
  const starts = parts.map((part) => part.start).filter((start) => start > at);
  return Math.min(range.end, grid, ...starts);
}
