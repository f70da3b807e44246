/** Markdown that shows texts from the outside as they are, whatever they contain. */

/** Plain text: what means something in Markdown or HTML is written as character references, line breaks as blanks. */
export const text = (value: string): string =>
  value.replace(/[\\`*_{}[\]<>()#!|~&]/g, (character) => `&#${character.charCodeAt(0)};`).replace(/\s+/g, ' ');

/** Verbatim text on one line, also within a table. */
export const code = (value: string): string => (value.trim() === '' ? '' : `<code>${text(value)}</code>`);

/** A table; the cells are Markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
