import { ModelError } from './errors.ts';

/** Float16 numbers as bit patterns, the form in which ONNX Runtime takes and gives them. */

/** Rounds to the nearest, ties to even. */
export function toHalf(values: Float32Array, into: Uint16Array): void {
  asHalf(into).set(values);
}

export function fromHalf(bits: Uint16Array): Float32Array {
  return new Float32Array(asHalf(bits));
}

function asHalf(bits: Uint16Array): Float16Array {
  if (typeof Float16Array === 'undefined') throw new ModelError('float16 graphs need Node.js 24 or newer');
  return new Float16Array(bits.buffer, bits.byteOffset, bits.length);
}
