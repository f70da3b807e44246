import { grouped } from '../../contract/format.ts';

/** Numbers as people read them. */

/** At most four significant digits. */
export const short = (n: number): string => String(Number(n.toPrecision(4)));

/** `1 image`, `2 images`. */
export const many = (n: number, one: string, more = `${one}s`): string => `${grouped(n)} ${n === 1 ? one : more}`;

/** `1st`, `2nd`, … */
export function ordinal(n: number): string {
  const ending = n % 100 > 10 && n % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${grouped(n)}${ending}`;
}
