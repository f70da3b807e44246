/** Arrays of 16-bit numbers as little-endian bytes, as files and frames hold them. */

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The bytes of numbers; a view where this machine keeps them so. */
export function uint16Bytes(numbers: Uint16Array): Uint8Array {
  const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return IS_LITTLE_ENDIAN ? bytes : Buffer.from(bytes).swap16();
}

/** The numbers of bytes; a copy, since bytes may begin at an odd address. */
export function uint16Of(bytes: Uint8Array): Uint16Array {
  const copy = Buffer.from(bytes);
  if (!IS_LITTLE_ENDIAN) copy.swap16();
  return new Uint16Array(Uint8Array.from(copy).buffer);
}
