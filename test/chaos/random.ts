/** Random choices that a seed decides. */

/** Numbers in [0, 1) that the seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(items: readonly T[], random: () => number): T | undefined =>
  items[Math.floor(random() * items.length)];

/** Exponential waiting times, in milliseconds. */
export const waitOf = (meanSeconds: number, random: () => number): number =>
  -1000 * meanSeconds * Math.log(1 - random());

/** The seeds that `SEEDS` asks for: `20` for the first twenty, `3,7,11` for these. */
export function seedsOf(text: string): number[] {
  if (text.includes(',')) return text.split(',').map(Number);
  return Array.from({ length: Number(text) }, (_, i) => i + 1);
}
