/**
 * Frames of the engine protocol (docs/engine-protocol.md): a header of JSON and raw bytes.
 *
 *   uint32 LE: bytes of the header | uint32 LE: bytes of the body | header, UTF-8 | body
 */

export interface Frame {
  readonly header: unknown;
  readonly body: Uint8Array;
}

const PREFIX_BYTES = 8;
/** A longer header is not one: the two sides have lost step. */
const MAX_HEADER_BYTES = 64 * 2 ** 20;

/** The bytes of a frame, in pieces. */
export function encodeFrame(header: object, body: readonly Uint8Array[] = []): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32LE(json.length, 0);
  prefix.writeUInt32LE(
    body.reduce((sum, { length }) => sum + length, 0),
    4,
  );
  return [prefix, json, ...body];
}

/** Puts frames together from a stream that arrives in pieces of any size. */
export class FrameReader {
  #pieces: Uint8Array[] = [];
  #held = 0;
  #sizes: { header: number; body: number } | null = null;

  /** Adds a piece and returns the frames that it completes. @throws Error for bytes that are not frames */
  push(piece: Uint8Array): Frame[] {
    this.#pieces.push(piece);
    this.#held += piece.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | null {
    if (!this.#sizes) {
      if (this.#held < PREFIX_BYTES) return null;
      const prefix = this.#take(PREFIX_BYTES);
      this.#sizes = { header: prefix.readUInt32LE(0), body: prefix.readUInt32LE(4) };
      if (this.#sizes.header > MAX_HEADER_BYTES) throw new Error('what arrived is not a frame');
    }
    const { header, body } = this.#sizes;
    if (this.#held < header + body) return null;
    this.#sizes = null;
    return { header: JSON.parse(this.#take(header).toString()), body: this.#take(body) };
  }

  #take(length: number): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = all.length === length ? [] : [all.subarray(length)];
    this.#held -= length;
    return Buffer.from(all.buffer, all.byteOffset, length);
  }
}
