import { MAX_SHARDS } from '../names.ts';
import { type Issue, issueAt } from '../schema/issue.ts';
import { SEED_SPACE } from './seeds.ts';

/** The number of attempts and shards that a plan can have, and how large a shard can be. */

/** @param used seeds of the datasets that this one extends @returns an issue when the attempts do not fit in 32-bit seeds */
export function seedIssues(samples: number, attempts: number, used = 0): Issue[] {
  if (used + samples * attempts <= SEED_SPACE) return [];
  const message = `${attempts} attempts for each of ${samples} samples need ${samples * attempts} seeds, but there are only ${SEED_SPACE} (32 bits)${used > 0 ? `, of which the datasets before it have ${used}` : ''}; lower it to ${Math.floor((SEED_SPACE - used) / samples)}`;
  return [issueAt(['spec', 'quality', 'maxAttempts'], message)];
}

/** @returns an issue when the shards do not fit in the digits of their names */
export function shardIssues(samples: number, size: number): Issue[] {
  const shards = Math.ceil(samples / size);
  if (shards <= MAX_SHARDS) return [];
  const message = `${size} for each shard makes ${shards} shards; the most is ${MAX_SHARDS}: raise it to at least ${Math.ceil(samples / MAX_SHARDS)}`;
  return [issueAt(['spec', 'output', 'shard', 'samples'], message)];
}

/** Bytes of a pixel in an encoded X-ray, generously: JPEG of quality 95, PNG of grey. The lower half of 16 bits is noise. */
const BYTES_PER_PIXEL = { jpeg: 0.25, png: 0.7, png16: 1.75 } as const;
/** Beside its image a sample has three tar headers, its prompt, its JSON, and its row of the index. */
const BYTES_BESIDE = 4096;

/** Images of a dataset, as far as their size is concerned. */
export interface ImageKind {
  readonly format: 'jpeg' | 'png';
  readonly bitDepth: 8 | 16;
  readonly height: number;
  readonly width: number;
}

/** An estimate of what a sample takes. @param imageBytes what an image takes, where it is known */
export function sampleBytes({ format, bitDepth, height, width }: ImageKind, imageBytes?: number): number {
  const each = BYTES_PER_PIXEL[format === 'png' && bitDepth === 16 ? 'png16' : format];
  return (imageBytes ?? height * width * each) + BYTES_BESIDE;
}

/** Workers, `publish` and `verify` hold a whole shard in memory. */
const MAX_SHARD_BYTES = 2 ** 31;

/** @returns an issue when a shard is too large to be held in memory, by the estimate; none where the size of images is not known */
export function shardSizeIssues(samples: number, size: number, image: ImageKind): Issue[] {
  const { format, height, width } = image;
  const each = sampleBytes(image);
  const bytes = Math.min(samples, size) * each;
  if (height * width === 0 || bytes <= MAX_SHARD_BYTES) return [];
  const message =
    `${size} images of ${width}x${height} ${format} make shards of about ${gigabytes(bytes)}; ` +
    `the most is ${gigabytes(MAX_SHARD_BYTES)}, since each is held in memory: write at most ${Math.floor(MAX_SHARD_BYTES / each)}`;
  return [issueAt(['spec', 'output', 'shard', 'samples'], message)];
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
