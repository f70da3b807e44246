/**
 * Deterministic tar (POSIX ustar): no time, no owner, mode 0644, members in the order given, so that equal samples make
 * equal bytes. A shard is the members of its parts and two zero blocks.
 */

const BLOCK = 512;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Ends an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** A header with everything but name, size and checksum; those are written over a copy. */
const TEMPLATE = makeTemplate();

function makeTemplate(): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => header.set(encoder.encode(text), offset);
  put(100, '0000644\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  put(136, '00000000000\0');
  put(156, '0');
  put(257, 'ustar\u000000');
  return header;
}

const NAME_BYTES = 100;
const MAX_MEMBER = 8 ** 11 - 1;
const SPACE = 0x20;

/**
 * One member: header, content, zero padding to whole blocks.
 * @param name ASCII, at most 100 bytes
 */
export function tarMember(name: string, content: Uint8Array): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(name) || name.length > NAME_BYTES || content.length > MAX_MEMBER) {
    throw new RangeError(`tar member ${JSON.stringify(name)} of ${content.length} bytes`);
  }
  const bytes = new Uint8Array(BLOCK + Math.ceil(content.length / BLOCK) * BLOCK);
  bytes.set(TEMPLATE);
  encoder.encodeInto(name, bytes);
  encoder.encodeInto(`${content.length.toString(8).padStart(11, '0')}\0`, bytes.subarray(124, 136));
  let sum = 8 * SPACE;
  for (let i = 0; i < BLOCK; i++) sum += bytes[i]!;
  encoder.encodeInto(`${sum.toString(8).padStart(6, '0')}\0 `, bytes.subarray(148, 156));
  bytes.set(content, BLOCK);
  return bytes;
}

export interface Member {
  readonly name: string;
  /** Offset of the content (not the header) in the archive, and its length, in bytes. */
  readonly offset: number;
  readonly size: number;
}

/** An archive that is not what `tarMember` writes. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

function parseOctal(block: Uint8Array, start: number, end: number): number {
  const text = String.fromCharCode(...block.subarray(start, end)).replace(/[\0 ]+$/, '');
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/**
 * Lists the members of an archive held in memory.
 * @throws TarError at the offset of the first block that is not a plain ustar header, or when the end is missing
 */
export function listMembers(archive: Uint8Array): Member[] {
  const members: Member[] = [];
  let at = 0;
  for (;;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK) throw new TarError(`the archive ends in mid-block at byte ${at}`);
    if (header[0] === 0) break;
    const member = parseHeader(header, at);
    members.push(member);
    at = member.offset + paddedSize(member.size);
    if (at > archive.length) throw new TarError(`member ${member.name} is cut off at byte ${archive.length}`);
  }
  if (archive.length !== at + TAR_END.length || archive.subarray(at).some((byte) => byte !== 0)) {
    throw new TarError(`no proper end of archive at byte ${at}`);
  }
  return members;
}

/** Bytes that a content takes in an archive, in whole blocks. */
export const paddedSize = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/**
 * Finds members in a piece of an archive that may begin anywhere, even inside a member: the first block that is the header
 * of a member whose name passes, and those that follow it.
 * @param base where the piece begins in the archive, a multiple of 512
 * @returns members with offsets in the archive; the content of the last may lie beyond the piece
 */
export function findMembers(piece: Uint8Array, base: number, isName: (name: string) => boolean): Member[] {
  const members: Member[] = [];
  let at = 0;
  while (at + BLOCK <= piece.length) {
    const member = headerAt(piece.subarray(at, at + BLOCK), at + base);
    if (member && isName(member.name)) {
      members.push(member);
      at += BLOCK + paddedSize(member.size);
    } else at += BLOCK;
  }
  return members;
}

/** "ustar" at its place excludes nearly every other block without a sum. */
const MAGIC = encoder.encode('ustar');

function headerAt(block: Uint8Array, at: number): Member | null {
  if (MAGIC.some((byte, i) => block[257 + i] !== byte)) return null;
  try {
    return parseHeader(block, at);
  } catch {
    return null; // A block of a content.
  }
}

function parseHeader(header: Uint8Array, at: number): Member {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? SPACE : header[i]!;
  if (sum !== parseOctal(header, 148, 156) || header[156] !== 0x30) throw new TarError(`no file header at byte ${at}`);
  const end = header.indexOf(0);
  const name = decoder.decode(header.subarray(0, end < 0 || end > NAME_BYTES ? NAME_BYTES : end));
  const size = parseOctal(header, 124, 136);
  if (Number.isNaN(size)) throw new TarError(`member ${name} has no size at byte ${at}`);
  return { name, offset: at + BLOCK, size };
}
