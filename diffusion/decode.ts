import type { BitDepth, RawImage } from '../platform/image/image.ts';
import { ModelError } from './errors.ts';
import type { DiffusionModel } from './model.ts';
import { floatFeed, toFloats } from './tensors.ts';

/** From latents to pixels. */

/** Pixels that one call of the decoder makes at most, unless one image has more: its memory peaks are the largest of all. */
const CALL_PIXELS = 512 * 512;

/**
 * The images of one call: a divisor of the rows, so that all calls have the same shape; the largest within the bound. A decoder
 * that is exported for a fixed number of rows gets all.
 */
export function sliceOf(rows: number, pixels: number, isFixed: boolean): number {
  let slice = rows;
  while (!isFixed && slice > 1 && (rows % slice > 0 || slice * pixels > CALL_PIXELS)) slice--;
  return slice;
}

/**
 * The decoder's output, about -1..1, of slices of the rows one after another.
 * @param latents [rows, channels, height, width]
 * @returns [rows, image channels, scale * height, scale * width]
 */
export async function decodeLatents(
  model: DiffusionModel,
  latents: Float32Array,
  size: { height: number; width: number },
): Promise<Float32Array> {
  const { session, input, output, scalingFactor, latentChannels, imageChannels, scale } = model.vae;
  const { height, width } = size;
  const length = latentChannels * height * width;
  const rows = latents.length / length;
  const pixels = height * width * scale ** 2;
  const slice = sliceOf(rows, pixels, typeof input.shape[0] === 'number');
  const feed = floatFeed(session, input, [slice, latentChannels, height, width]);
  const decoded = new Float32Array(rows * imageChannels * pixels);
  for (let row = 0; row < rows; row += slice) {
    for (let i = 0; i < feed.values.length; i++) feed.values[i] = latents[row * length + i]! / scalingFactor;
    const outputs = await session.run({ [input.name]: feed.send() });
    const values = toFloats(session, output.name, outputs[output.name]!);
    if (values.length !== slice * imageChannels * pixels)
      throw new ModelError(
        `${session.file}: ${output.name} is [${outputs[output.name]!.dims.join(', ')}], not ${slice} images of ${imageChannels} channels and ${pixels} pixels; export the decoder again`,
      );
    decoded.set(values, row * imageChannels * pixels);
  }
  return decoded;
}

/**
 * One image from planar values of about -1..1: clip(value / 2 + 0.5, 0, 1) * 255, rounded half to even, interleaved. Of 16
 * bits: * 65,535, to the nearest value that rounds to the image of 8 bits, and grey: of three channels the luma (ITU-R BT.601).
 * An image that holds NaN is black throughout, so that it cannot pass for a picture with some dark pixels.
 * Source: diffusers, VaeImageProcessor.postprocess and numpy_to_pil.
 */
export function toRawImage(
  planes: Float32Array,
  channels: 1 | 3,
  size: { height: number; width: number },
  bitDepth: BitDepth = 8,
): RawImage {
  const shares = interleaved(planes, channels);
  if (bitDepth === 8) return { ...size, channels, data: toLevels(shares) };
  return { ...size, channels: 1, data: toSteps(channels === 1 ? shares : lumaOf(shares)) };
}

/** value / 2 + 0.5 of each, channel by channel of each pixel; nothing but 0 where a value is NaN. */
function interleaved(planes: Float32Array, channels: 1 | 3): Float32Array {
  const pixels = planes.length / channels;
  const shares = new Float32Array(planes.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) {
      const value = planes[c * pixels + i]!;
      if (Number.isNaN(value)) return shares.fill(0);
      shares[i * channels + c] = value * 0.5 + 0.5;
    }
  }
  return shares;
}

function toLevels(shares: Float32Array): Uint8Array {
  // Storing into this array clamps and rounds half to even.
  const levels = new Uint8ClampedArray(shares.length);
  for (let i = 0; i < shares.length; i++) levels[i] = Math.fround(shares[i]! * 255);
  return new Uint8Array(levels.buffer);
}

const lumaOf = (shares: Float32Array): Float32Array =>
  Float32Array.from(
    { length: shares.length / 3 },
    (_, i) => 0.299 * shares[3 * i]! + 0.587 * shares[3 * i + 1]! + 0.114 * shares[3 * i + 2]!,
  );

function toSteps(shares: Float32Array): Uint16Array {
  const levels = toLevels(shares);
  const steps = new Uint16Array(shares.length);
  for (let i = 0; i < shares.length; i++) {
    const [middle, step] = [levels[i]! * STEPS, Math.round(shares[i]! * 65_535)];
    steps[i] = Math.min(65_535, middle + STEPS_BESIDE, Math.max(0, middle - STEPS_BESIDE, step));
  }
  return steps;
}

/** Steps of 16 bits in a level of 8, and on either side of its middle. */
const STEPS = 65_535 / 255;
const STEPS_BESIDE = (STEPS - 1) / 2;
