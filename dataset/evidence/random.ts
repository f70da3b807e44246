import { createHash } from 'node:crypto';

/** Random numbers that a text decides, so that a measure is the same wherever it is computed. */
export type Random = () => number;

/** Numbers in [0, 1): the generator sfc32 (Chris Doty-Humphrey, PractRand), seeded by SHA-256. */
export function randomOf(key: string): Random {
  const seed = createHash('sha256').update(key).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => seed.readInt32LE(at)) as [number, number, number, number];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** The numbers from 0 to `count` - 1 in a random order. */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Places of at most `maximum` of `count` rows, drawn without replacement, in order; all of them where there are fewer. */
export const sampleOf = (count: number, maximum: number, random: Random): Uint32Array =>
  shuffled(count, random).subarray(0, maximum).sort();

/** Counts how often each of `count` rows is drawn when as many are drawn with replacement: a resample of the bootstrap. */
export function resample(count: number, random: Random): Uint32Array {
  const times = new Uint32Array(count);
  for (let i = 0; i < count; i++) times[Math.floor(random() * count)]!++;
  return times;
}
