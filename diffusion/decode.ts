import type { RawImage } from '../platform/image/image.ts';
import type { DiffusionModel } from './model.ts';
import { floatFeed, toFloats } from './tensors.ts';

/** From latents to pixels. */

/**
 * The decoder's output, about -1..1.
 * @param latents [rows, channels, height, width]
 * @returns [rows, image channels, scale * height, scale * width]
 */
export async function decodeLatents(
  model: DiffusionModel,
  latents: Float32Array,
  size: { height: number; width: number },
): Promise<Float32Array> {
  const { session, input, output, scalingFactor, latentChannels } = model.vae;
  const rows = latents.length / (latentChannels * size.height * size.width);
  const feed = floatFeed(session, input, [rows, latentChannels, size.height, size.width]);
  for (let i = 0; i < latents.length; i++) feed.values[i] = latents[i]! / scalingFactor;
  const outputs = await session.run({ [input.name]: feed.send() });
  return toFloats(session, output.name, outputs[output.name]!);
}

/**
 * One image from planar values of about -1..1: clip(value / 2 + 0.5, 0, 1) * 255, rounded half to even, interleaved.
 * An image that holds NaN is black throughout, so that it cannot pass for a picture with some dark pixels.
 * Source: diffusers, VaeImageProcessor.postprocess and numpy_to_pil.
 */
export function toRawImage(planes: Float32Array, channels: 1 | 3, size: { height: number; width: number }): RawImage {
  const pixels = size.height * size.width;
  // Storing into this array clamps and rounds half to even.
  const data = new Uint8ClampedArray(pixels * channels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) {
      const value = planes[c * pixels + i]!;
      if (Number.isNaN(value)) return { ...size, channels, data: new Uint8Array(data.length) };
      data[i * channels + c] = Math.fround(Math.fround(value * 0.5 + 0.5) * 255);
    }
  }
  return { ...size, channels, data: new Uint8Array(data.buffer) };
}
