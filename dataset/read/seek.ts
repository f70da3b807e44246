import type { ByteRange } from '../../platform/store/store.ts';
import { findMembers, type Member, paddedSize } from '../shard/tar.ts';
import type { Place } from './index-file.ts';

/**
 * Finding a sample in a tar that has no index yet, by range requests. Samples are in order of their index and are about
 * equally large, so that one look near the expected place usually shows the sample or how far it is off.
 */

/** A shard or a part. */
export interface Archive {
  readonly bytes: number;
  /** The samples of the archive, `end` exclusive; some may be missing. */
  readonly start: number;
  readonly end: number;
}

/** Bytes of the first look, at least. */
const LOOK = 64 * 1024;
/** A prompt, and the headers before and after it. */
const TAIL = 20 * 1024;

const NAME = /^(\d{9,})\.(jpg|png|txt|json)$/;

interface Seen extends Member {
  readonly index: number;
  readonly extension: string;
}

/** Finds the sample, or null when the archive does not hold it. `read` gets bytes of the archive. */
export async function seekSample(
  read: (range: ByteRange) => Promise<Uint8Array>,
  archive: Archive,
  index: number,
): Promise<Place | null> {
  // The header of the sample's image lies from `low.at` to before `high.at`.
  let low = { at: 0, index: archive.start };
  let high = { at: archive.bytes, index: archive.end };
  let look = Math.max(LOOK, (3 * archive.bytes) / Math.max(1, archive.end - archive.start));
  while (low.at < high.at) {
    const begin = beginOf(low, high, { index, look });
    const end = Math.min(high.at, begin + look);
    const seen = membersIn(await read({ start: begin, end: Math.ceil(end) }), begin);
    const image = seen.find((member) => member.index === index && isImage(member));
    if (image) return placeOf(read, image);
    if (seen.length === 0) {
      if (begin === low.at && end === high.at) return null;
      look *= 2;
    }
    const before = seen.findLast((member) => member.index < index);
    const after = seen.find((member) => member.index >= index);
    if (before) low = { at: endOf(before), index: before.index + 1 };
    if (after) high = { at: after.offset - 512, index: Math.max(after.index, index + 1) };
  }
  return null;
}

interface Mark {
  readonly at: number;
  readonly index: number;
}

/** The next range to read: it starts half a range before the sample's place if all samples were equally large. */
function beginOf(low: Mark, high: Mark, { index, look }: { index: number; look: number }): number {
  const share = Math.min(1, Math.max(0, (index - low.index) / Math.max(1, high.index - low.index)));
  const guess = low.at + share * (high.at - low.at) - look / 2;
  return Math.max(low.at, Math.min(high.at - 512, Math.floor(guess / 512) * 512));
}

const isImage = ({ extension }: Seen): boolean => extension === 'jpg' || extension === 'png';

const endOf = ({ offset, size }: Member): number => offset + paddedSize(size);

function membersIn(piece: Uint8Array, base: number): Seen[] {
  return findMembers(piece, base, (name) => NAME.test(name)).map((member) => {
    const [, digits, extension] = NAME.exec(member.name)!;
    return { ...member, index: Number(digits), extension: extension! };
  });
}

/** The prompt and the record follow the image. */
async function placeOf(read: (range: ByteRange) => Promise<Uint8Array>, image: Seen): Promise<Place | null> {
  const begin = endOf(image);
  const followers = membersIn(await read({ start: begin, end: begin + TAIL }), begin);
  const json = followers.find(({ index, extension }) => index === image.index && extension === 'json');
  return json ? { image: extentOf(image), json: extentOf(json) } : null;
}

const extentOf = ({ offset, size }: Member) => ({ offset, size });
