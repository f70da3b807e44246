import sharp from 'sharp';
import type { RawImage } from './image.ts';

/** Fits an image to the size that a model wants (Lanczos; the aspect ratio is not kept). The same image if it has it. */
export async function resizeImage(image: RawImage, size: { width: number; height: number }): Promise<RawImage> {
  if (image.width === size.width && image.height === size.height) return image;
  const { width, height, channels, data } = image;
  const resized = sharp(data, { raw: { width, height, channels } }).resize({
    ...size,
    fit: 'fill',
    kernel: 'lanczos3',
  });
  if (channels === 1) resized.toColourspace('b-w');
  return { ...size, channels, data: await resized.raw().toBuffer() };
}
