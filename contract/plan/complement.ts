/**
 * What a real cohort lacks. The union of real and synthetic images is as level as it can be: cells are filled from the
 * emptiest up to one common level (water filling), so that no synthetic image goes to a cell above the level.
 * @param have real images in each cell (may be fractions)
 * @param samples synthetic images to give out
 * @returns real-valued shares that add up to `samples`: max(0, level - have)
 */
export function fillToLevel(have: readonly number[], samples: number): number[] {
  const sorted = [...have].sort((a, b) => a - b);
  let level = 0;
  let below = 0;
  for (let k = 1; k <= sorted.length; k++) {
    below += sorted[k - 1]!;
    level = (samples + below) / k;
    if (k === sorted.length || level <= sorted[k]!) break;
  }
  return have.map((count) => Math.max(0, level - count));
}
