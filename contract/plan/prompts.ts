/** Prompts: a template whose `{names}` are replaced by the sample's values. */

const PLACEHOLDER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** The distinct names in braces, in order of appearance. */
export function placeholders(template: string): string[] {
  return [...new Set([...template.matchAll(PLACEHOLDER)].map((match) => match[1]!))];
}

/** Replaces each `{name}` by its word; text that replaces is not read again. The caller has checked the names. */
export function renderPrompt(template: string, words: Readonly<Record<string, string>>): string {
  return template.replace(PLACEHOLDER, (braces, name: string) => words[name] ?? braces);
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * Takes turns: which of `length` things the sample in a cell's `slot` gets, where something else about it repeats every
 * `period` slots. Where the two rhythms share a divisor the turn is shifted by one after each common period, so that
 * everything meets everything although both cycle evenly.
 */
export function turn(slot: number, length: number, period: number): number {
  const divisor = gcd(length, period);
  if (divisor === 1) return slot % length;
  return (slot + Math.floor(slot / ((length / divisor) * period))) % length;
}
