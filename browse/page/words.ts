/** Numbers as people read them. */

const whole = new Intl.NumberFormat('en');

/** `565,000`. */
export const grouped = (n: number): string => whole.format(n);

/** `77.4 %`, with a blank at which no line breaks; a dash where there is nothing to divide by. */
export const percent = (part: number, all: number): string =>
  all > 0 ? `${((100 * part) / all).toFixed(1)}\u00a0%` : '–';

/** At most four significant digits. */
export const short = (n: number): string => String(Number(n.toPrecision(4)));

/** `1 image`, `2 images`. */
export const many = (n: number, one: string, more = `${one}s`): string => `${grouped(n)} ${n === 1 ? one : more}`;

/** `1st`, `2nd`, … */
export function ordinal(n: number): string {
  const ending = n % 100 > 10 && n % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${grouped(n)}${ending}`;
}
