/** IEEE 754 half precision (float16) as bit patterns, for ONNX Runtime and NumPy files. Node.js has Float16Array from 24 on. */

/** Writes numbers as float16: rounds to the nearest, ties to even. */
export function toHalf(values: Float32Array, into: Uint16Array): void {
  if (typeof Float16Array === 'undefined') softToHalf(values, into);
  else asHalf(into).set(values);
}

/** The numbers of float16 bit patterns. */
export function fromHalf(bits: Uint16Array): Float32Array {
  return typeof Float16Array === 'undefined' ? softFromHalf(bits) : new Float32Array(asHalf(bits));
}

const asHalf = (bits: Uint16Array): Float16Array => new Float16Array(bits.buffer, bits.byteOffset, bits.length);

/** As `toHalf`, without Float16Array. */
export function softToHalf(values: Float32Array, into: Uint16Array): void {
  for (const [i, value] of values.entries()) into[i] = halfBits(value);
}

function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // Below 2^-14 numbers are multiples of 2^-24; above, of 2^-10 of their power of two.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundToEven(size * 2 ** (10 - exponent));
  return sign | (((exponent + 14) << 10) + steps);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** As `fromHalf`, without Float16Array. */
export function softFromHalf(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halfValue(bits[i]!);
  return values;
}

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 0x1f, half & 0x3ff];
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The exponent of infinity and NaN. */
const NOT_FINITE = 0x7c00;

/** Whether all bit patterns are of finite numbers. */
export const areFinite = (bits: Uint16Array): boolean => bits.every((half) => (half & NOT_FINITE) !== NOT_FINITE);

/** Whether all bit patterns are zeros: such a vector has no direction. */
export const areZero = (bits: Uint16Array): boolean => bits.every((half) => (half & 0x7fff) === 0);
