/** Amounts as Kubernetes writes them: `2`, `16k`, `3Gi`, `1e3`, `1000m`. */

const QUANTITY = /^\+?(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/;

/** Exponents of 10, and of 2 where an `i` follows. */
const EXPONENTS: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** An amount of what comes in whole pieces; 0 for text that is none, and for more than a count can be. */
export function wholeOf(quantity: string | number): number {
  const [, digits, exponent, suffix = ''] = QUANTITY.exec(String(quantity)) ?? [];
  if (digits === undefined) return 0;
  const power = BINARY.indexOf(suffix) + 1;
  const factor = power > 0 ? 1024 ** power : 10 ** Number(exponent ?? EXPONENTS[suffix] ?? 0);
  const amount = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(amount) ? amount : 0;
}
