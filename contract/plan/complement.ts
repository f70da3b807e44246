/**
 * What a real cohort lacks. The union of real and synthetic images is as level as it can be: cells are filled from the
 * emptiest up to one common level (water filling), so that no synthetic image goes to a cell above the level, except for
 * the `min` that every cell gets.
 * @param have real images in each cell (may be fractions)
 * @param samples synthetic images to give out, at least `min` for each cell
 * @returns real-valued shares that add up to `samples`: max(min, level - have)
 */
export function fillToLevel(have: readonly number[], samples: number, min = 0): number[] {
  const ascending = have.map((count) => count + min).sort((a, b) => a - b);
  const free = samples - min * have.length;
  let level = 0;
  let below = 0;
  for (const [k, count] of ascending.entries()) {
    below += count;
    level = (free + below) / (k + 1);
    if (level <= (ascending[k + 1] ?? Number.POSITIVE_INFINITY)) break;
  }
  return have.map((count) => Math.max(min, level - count));
}
