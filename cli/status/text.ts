/** Text for a terminal: what comes from a cluster or a dataset is shown as it is, but cannot move the cursor or hide anything. */

/** Control characters, and those that reorder text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const plain = (text: string): string => text.toWellFormed().replace(UNSAFE, '\uFFFD');

/** At most `width` characters, the last of a longer text being `…`. */
export const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** Seconds as `42 s`, `5 min`, `3 h`, `2 d`. */
export function ago(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return whole < 86_400 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} d`;
}

/** Seconds since a time in ISO 8601, as `ago`; a dash for anything else. */
export function since(time: string | undefined, now: number): string {
  const then = Date.parse(time ?? '');
  return Number.isNaN(then) ? '-' : ago((now - then) / 1000);
}

/** `[#####.....]`, for a share from 0 to 1. */
export function bar(share: number, width: number): string {
  const filled = Math.min(width, Math.max(0, Math.floor(width * share)));
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}

/** Columns as wide as their widest entry, two blanks apart; every line is cut at `width`. */
export function table(rows: readonly (readonly string[])[], width: number): string[] {
  const clean = rows.map((row) => row.map(plain));
  const widths = (clean[0] ?? []).map((_, i) => Math.max(...clean.map((row) => row[i]?.length ?? 0)));
  return clean.map((row) =>
    cut(
      row
        .map((entry, i) => entry.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
      width,
    ),
  );
}
