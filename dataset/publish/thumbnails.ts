import sharp from 'sharp';
import type { Extent, ShardSample } from '../shard/read.ts';

/** The images of the report's contact sheet: a few, spread evenly over the cells. */

export interface Thumbnail {
  readonly key: string;
  readonly axes: Readonly<Record<string, string>>;
  readonly prompt: string;
  readonly jpeg: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Thumbnails on a sheet, at most. */
export const SHEET = 48;
/** Longer side in pixels: sharp on a display with two pixels to the point. */
const SIDE = 192;
/** Together they stay below this, whatever the images are, so that the report stays below 3 MB. */
const MAX_BYTES = 2 ** 20;

/** A cell as the sheet sees it. */
export interface SheetCell {
  readonly cell: string;
  /** Images that the plan wants of it; cells of which none is wanted get no place. */
  readonly wanted: number;
}

/** Reads an extent of a shard. */
export type ReadExtent = (extent: Extent) => Uint8Array | Promise<Uint8Array>;

export interface ContactSheet {
  /** Takes what the sheet still lacks from a shard's samples. */
  add(read: ReadExtent, samples: readonly ShardSample[]): Promise<void>;
  /** Whether nothing is lacking; a cell whose samples were exhausted may lack some for ever. */
  isComplete(): boolean;
  /** In order of the cells. */
  thumbnails(): Thumbnail[];
}

/** Starts a sheet: the first samples of each cell, the same number from each, or from every n-th cell when there are many. */
export function createSheet(cells: readonly SheetCell[]): ContactSheet {
  const filled = cells.filter((cell) => cell.wanted > 0);
  const each = Math.floor(SHEET / filled.length);
  const chosen = (i: number): number => Math.floor((i * SHEET) / filled.length);
  const places = new Map(
    filled.map(({ cell, wanted }, i) => [cell, Math.min(wanted, each || chosen(i + 1) - chosen(i))]),
  );
  const taken = new Map<string, Thumbnail[]>(filled.map(({ cell }) => [cell, []]));
  let bytes = 0;
  const isFull = (cell: string): boolean => bytes > MAX_BYTES || taken.get(cell)!.length >= places.get(cell)!;
  return {
    async add(read, samples) {
      for (const sample of samples) {
        const { cell, axes, prompt } = sample.record;
        if (!taken.has(cell) || isFull(cell)) continue;
        const { data, info } = await shrink(await read(sample.image), SIDE);
        bytes += data.length;
        taken.get(cell)!.push({ key: sample.key, axes, prompt, jpeg: data, width: info.width, height: info.height });
      }
    },
    isComplete: () => [...taken.keys()].every(isFull),
    thumbnails: () => [...taken.values()].flat(),
  };
}

/** More pixels than any model draws; a file that claims more is not decoded. */
const MAX_PIXELS = 8192 * 8192;

/** A small JPEG of an image, `side` pixels at its longer side. Rejects for what cannot be decoded. */
export const shrink = (image: Uint8Array, side: number) =>
  sharp(image, { limitInputPixels: MAX_PIXELS })
    .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true, kernel: 'lanczos3' })
    .jpeg({ quality: 72, mozjpeg: false })
    .toBuffer({ resolveWithObject: true });
