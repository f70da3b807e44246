/** Numbers as people read them, in messages, pages and reports alike. */

/** `565,000`. */
export const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

/** `77.4 %`, with a blank at which no line breaks; a dash where there is nothing to divide by. */
export const percent = (part: number, whole: number): string =>
  whole > 0 ? `${((100 * part) / whole).toFixed(1)}\u00a0%` : '–';
