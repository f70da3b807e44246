import { sampleKey } from '../contract/names.ts';
import { deficitOf } from '../contract/plan/deficit.ts';
import type { Plan } from '../contract/plan/plan.ts';

/** A plan in words and tables, for people. */

const count = new Intl.NumberFormat('en');

/** One paragraph: what will be made. */
export function describePlan(plan: Plan): string {
  const { grid, quotas } = plan.allocation;
  const [least, most] = [Math.min(...quotas), Math.max(...quotas)];
  const each = least === most ? `${count.format(least)}` : `${count.format(least)} to ${count.format(most)}`;
  return (
    `${plan.name}: ${count.format(plan.samples)} images in ${count.format(grid.cells.length)} cells (${each} each), ` +
    `${count.format(plan.shards)} shards; plan ${plan.digest.slice(0, 12)}, model ${plan.model.digest.slice(0, 12)}`
  );
}

/** The grid as a text table: one row per cell with its share and its whole number. */
export function gridTable({ allocation }: Pick<Plan, 'allocation'>): string {
  const { grid, shares, quotas } = allocation;
  const header = [...grid.axes.map((axis) => axis.name), 'share', 'images'];
  const rows = grid.cells.map((cell, i) => [...cell.values, shares[i]!.toFixed(2), count.format(quotas[i]!)]);
  const widths = header.map((title, k) => Math.max(title.length, ...rows.map((row) => row[k]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, k) => (k < grid.axes.length ? text.padEnd(widths[k]!) : text.padStart(widths[k]!)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

/** The rows of the real cohort of a Complement, and those that could not be used. */
export function describeCohort({ allocation }: Pick<Plan, 'allocation'>): string[] {
  const { cohort } = allocation;
  if (!cohort) return [];
  const lines = [
    `Real cohort: ${count.format(cohort.rows)} rows; ${count.format(cohort.outside)} lie in no cell; ${count.format(cohort.multiple)} count in several cells.`,
  ];
  if (cohort.unknownAxes.length > 0) {
    lines.push(
      `It does not say ${cohort.unknownAxes.join(', ')}: its images are taken as spread evenly over the values.`,
    );
  }
  return lines;
}

/** The dataset that a plan extends. */
export function describeParent({ parent, origin }: Plan): string[] {
  if (!parent) return [];
  return [
    `Extends ${parent.manifest.name} and its ${count.format(origin.index)} samples: keys from ${sampleKey(origin.index)}, seeds from attempt ${count.format(origin.attempts)} on.`,
  ];
}

/** The number of cells that the evaluation of a Deficit finds missed, and of those that it does not know. */
export function describeMisses({ allocation }: Pick<Plan, 'allocation'>): string[] {
  const { misses, grid } = allocation;
  if (!misses) return [];
  const short = misses.cells.filter((cell) => deficitOf(cell) > 1).length;
  const unknown = misses.cells.filter((cell) => cell === null).length;
  const without = grid.axes.map(({ name }) => name).filter((name) => name !== 'finding' && !misses.axes.includes(name));
  const lines = [
    `Evaluation of ${misses.model} on ${misses.site}, by ${misses.axes.join(', ')}: ${count.format(short)} of ${count.format(grid.cells.length)} cells are missed more often than overall, beyond chance.`,
  ];
  if (unknown > 0)
    lines.push(`It does not know ${count.format(unknown)} cells, which are taken as missed as often as overall.`);
  if (without.length > 0)
    lines.push(`It is not read by ${without.join(', ')}: cells that differ in that alone get the same.`);
  return lines;
}
