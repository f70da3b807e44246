/** Prompts: a template whose `{names}` are replaced by the sample's values. */

const PLACEHOLDER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** The distinct names in braces, in order of appearance. */
export function placeholders(template: string): string[] {
  return [...new Set([...template.matchAll(PLACEHOLDER)].map((match) => match[1]!))];
}

/** The first brace that belongs to no `{name}`, with the text around it; null when there is none. */
export function strayBrace(template: string): string | null {
  const at = template.replace(PLACEHOLDER, (name) => ' '.repeat(name.length)).search(/[{}]/);
  return at < 0 ? null : template.slice(Math.max(0, at - 10), at + 11);
}

/** Replaces each `{name}` by its word; text that replaces is not read again. The caller has checked the names. */
export function renderPrompt(template: string, words: Readonly<Record<string, string>>): string {
  return template.replace(PLACEHOLDER, (braces, name: string) => (Object.hasOwn(words, name) ? words[name]! : braces));
}
