/** Float16 numbers as bit patterns, the form in which ONNX Runtime takes and gives them. */

export function toHalf(values: Float32Array, into: Uint16Array): void {
  new Float16Array(into.buffer, into.byteOffset, into.length).set(values);
}

export function fromHalf(bits: Uint16Array): Float32Array {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}
