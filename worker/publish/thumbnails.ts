import sharp from 'sharp';
import type { Plan } from '../../contract/plan/plan.ts';
import { contentOf, type ShardSample } from '../shard/read.ts';

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
const MAX_BYTES = 1.5 * 2 ** 20;

export interface ContactSheet {
  /** Takes what the sheet still lacks from a shard's samples. */
  add(shard: Uint8Array, samples: readonly ShardSample[]): Promise<void>;
  /** In order of the cells. */
  thumbnails(): Thumbnail[];
}

/** Starts a sheet: the first samples of each cell, the same number from each, or from every n-th cell when there are many. */
export function createSheet({ allocation }: Plan): ContactSheet {
  const cells = allocation.grid.cells.filter((cell) => allocation.quotas[cell.ordinal]! > 0);
  const share = (i: number): number => Math.floor((i * SHEET) / cells.length);
  const wanted = new Map(cells.map((cell, i) => [cell.id, share(i + 1) - share(i)]));
  const taken = new Map<string, Thumbnail[]>(cells.map((cell) => [cell.id, []]));
  let bytes = 0;
  return {
    async add(shard, samples) {
      for (const sample of samples) {
        const { cell, axes, prompt } = sample.record;
        const list = taken.get(cell);
        if (!list || list.length >= wanted.get(cell)! || bytes > MAX_BYTES) continue;
        const { data, info } = await shrink(contentOf(shard, sample.image));
        bytes += data.length;
        list.push({ key: sample.key, axes, prompt, jpeg: data, width: info.width, height: info.height });
      }
    },
    thumbnails: () => [...taken.values()].flat(),
  };
}

const shrink = (image: Uint8Array) =>
  sharp(image)
    .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true, kernel: 'lanczos3' })
    .jpeg({ quality: 72, mozjpeg: false })
    .toBuffer({ resolveWithObject: true });
