import sharp from 'sharp';
import { uint16Of } from '../uint16.ts';
import { buildXmp, embedXmp, readXmpMark } from './mark.ts';

// One image is one thread's work; many images at once keep the cores busy. Nothing here is read twice, so nothing is cached.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Two Huffman passes or trellis quantisation (mozjpeg) would make 512x512 chest images 2 % or 30 % smaller and take 2 or 15
 * times as long as the 0.8 ms of this.
 */
const JPEG = { mozjpeg: false, optimiseCoding: false, progressive: false, chromaSubsampling: '4:4:4' } as const;
/** Filtered lines at level 3: a third smaller than unfiltered at equal speed; level 6 takes twice as long for 5 %. */
const PNG = { compressionLevel: 3, adaptiveFiltering: true, palette: false, progressive: false } as const;

/** Interleaved pixels, row by row: of 8 bits, or grey ones of 16 where an array of such holds them. */
export interface RawImage {
  width: number;
  height: number;
  channels: 1 | 3;
  data: Uint8Array | Uint16Array;
}

/**
 * An image of 8 bits whose darkest value is black and whose brightest is white, for films of 10 to 16 bits, of which a file does
 * not say what their values mean; one that has 8 bits as it is. The trainer does the same (data/images.py).
 */
export function stretchToEightBits(image: RawImage): EightBitImage {
  if (isEightBits(image)) return image;
  let [low, high] = [Infinity, -Infinity];
  for (const value of image.data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = 255 / Math.max(high - low, 1);
  return { ...image, data: Uint8Array.from(image.data, (value) => Math.round((value - low) * scale)) };
}

/** Bits of each value. */
export type BitDepth = 8 | 16;

export const bitDepthOf = (data: RawImage['data']): BitDepth => (data instanceof Uint16Array ? 16 : 8);

/** Values in a grey level, of which there are 256: 65,535 / 255 where there are 16 bits. */
export const levelOf = (data: RawImage['data']): number => (data instanceof Uint16Array ? 257 : 1);

export type EightBitImage = RawImage & { data: Uint8Array };

const isEightBits = (image: RawImage): image is EightBitImage => image.data instanceof Uint8Array;

/** The nearest image of 8 bits: what screens show, and models of images were trained on. The same image if it is one. */
export function toEightBits(image: RawImage): EightBitImage {
  const { data } = image;
  if (isEightBits(image)) return image;
  // Storing into this array rounds half to even.
  const eight = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i++) eight[i] = data[i]! / levelOf(data);
  return { ...image, data: new Uint8Array(eight.buffer) };
}

export interface EncodeOptions {
  format: 'jpeg' | 'png';
  /** 1 to 100, JPEG only. */
  quality: number;
  /** Any text for dc:description, such as the prompt; cut at 5,000 characters. */
  description?: string;
  /** Name of the generating system, for Iptc4xmpExt:AISystemUsed. */
  system?: string;
}

/**
 * Encodes an image and marks it as made by a trained algorithm. Grayscale when every pixel is grey. The same input gives the
 * same bytes: no time or host is written, and all encoder settings are fixed here.
 */
export async function encodeImage(raw: RawImage, options: EncodeOptions): Promise<Uint8Array> {
  const { width, height, channels, data } = raw;
  if (data.length !== width * height * channels) {
    throw new RangeError(`an image of ${width}x${height}x${channels} does not have ${data.length} values`);
  }
  const isDeep = data instanceof Uint16Array;
  if (isDeep && (options.format === 'jpeg' || channels === 3))
    throw new RangeError('16 bits are for PNG with one channel');
  const grey = channels === 1 || isDeep ? data : greyPlane(data);
  const input = grey === null ? { data, channels } : { data: grey, channels: 1 as const };
  const pixels = sharp(input.data, { raw: { width, height, channels: input.channels } });
  if (grey !== null) pixels.toColourspace(isDeep ? 'grey16' : 'b-w');
  const encoder = options.format === 'png' ? pixels.png(PNG) : pixels.jpeg({ ...JPEG, quality: options.quality });
  const encoded = await encoder.toBuffer();
  return embedXmp(encoded, options.format, buildXmp(options));
}

/** An image that is not of the wanted size. */
export class ImageSizeError extends Error {
  override readonly name = 'ImageSizeError';
}

/**
 * Pixels of an encoded image; a grayscale file gives one channel, and values of 16 bits where it has such.
 * @param size what the image must have; another is refused by its header, however many pixels it claims
 * @throws ImageSizeError, or whatever a damaged file causes
 */
export async function decodeImage(bytes: Uint8Array, size?: { height: number; width: number }): Promise<RawImage> {
  const image = sharp(bytes, { failOn: 'warning' });
  const { space, height, width } = await image.metadata();
  if (size && (size.height !== height || size.width !== width))
    throw new ImageSizeError(`the image is ${height}x${width}, not ${size.height}x${size.width}`);
  const isDeep = space === 'grey16';
  const { data, info } = await image
    .toColourspace(isDeep || space === 'b-w' ? space : 'srgb')
    .raw(isDeep ? { depth: 'ushort' } : {})
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 1 && info.channels !== 3)
    throw new Error(`the image has ${info.channels} channels, not 1 or 3`);
  const { width: columns, height: rows, channels } = info;
  return { width: columns, height: rows, channels, data: isDeep ? uint16Of(data) : data };
}

/** Fits an image of 8 bits to the size that a model wants (Lanczos; the aspect ratio is not kept). The same image if it has it. */
export async function resizeImage(
  image: EightBitImage,
  size: { width: number; height: number },
): Promise<EightBitImage> {
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

/** URI of the IPTC digital source type that the file declares; null when it declares none. */
export async function readSyntheticMark(bytes: Uint8Array): Promise<string | null> {
  const { xmpAsString } = await sharp(bytes).metadata();
  return xmpAsString === undefined ? null : readXmpMark(xmpAsString);
}

/** Grey levels (of 255) between the darkest and the brightest value below which an image shows nothing. */
const LEAST_RANGE = 4;

/** Whether an image is black, white or otherwise constant, as broken arithmetic makes them; no gate need see it. */
export function isDegenerate(data: RawImage['data']): boolean {
  const each = levelOf(data);
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
    if (Math.round(high / each) - Math.round(low / each) >= LEAST_RANGE) return false;
  }
  return true;
}

/** The one channel of an image whose three are equal everywhere, else null. */
function greyPlane(data: Uint8Array): Uint8Array | null {
  const plane = new Uint8Array(data.length / 3);
  for (let pixel = 0, at = 0; at < data.length; pixel++, at += 3) {
    const value = data[at]!;
    if (data[at + 1] !== value || data[at + 2] !== value) return null;
    plane[pixel] = value;
  }
  return plane;
}
