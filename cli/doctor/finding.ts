import { styleText } from 'node:util';

/** One line of `cohortfarm doctor`. */
export interface Finding {
  readonly name: string;
  /** `absent`: it is not there, and only some uses need it. */
  readonly state: 'ok' | 'absent' | 'fix';
  /** The thing as found; for `fix` what is wrong and what to do. */
  readonly message: string;
}

const MARKS = { ok: ['green', 'ok'], absent: ['dim', '--'], fix: ['red', 'FIX'] } as const;

/** One line; colours only on a terminal, and not where NO_COLOR is set. */
export function describeFinding({ name, state, message }: Finding, stream: NodeJS.WriteStream): string {
  const [colour, mark] = MARKS[state];
  return `${styleText(colour, mark.padEnd(3), { stream })}  ${name.padEnd(10)}  ${message}`;
}

/** The first two numbers of a version, such as `v1.36.3` or `580.95.05`; null for what is none. */
export function versionOf(text: string): readonly [number, number] | null {
  const found = /(\d+)\.(\d+)/.exec(text);
  return found ? [Number(found[1]), Number(found[2])] : null;
}

export function isOlder(found: readonly [number, number], least: readonly [number, number]): boolean {
  return found[0] < least[0] || (found[0] === least[0] && found[1] < least[1]);
}
