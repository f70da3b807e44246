import { type ComponentChildren, isValidElement } from 'preact';

/** Elements as HTML text, for pages without scripts. */

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Replacement for control characters, so that a page is valid HTML whatever a record contains. */
const REPLACEMENT = '\uFFFD';

/** Text that breaks out of no element and no quoted attribute. */
export const escapeText = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[&<>"']/g, (character) => REFERENCES[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, REPLACEMENT);

/** Elements that have no content and no end tag. */
const VOID = new Set(['br', 'hr', 'img', 'input', 'link', 'meta']);

/**
 * The HTML of elements. Every text and every attribute is escaped.
 * @throws Error for what only a page with scripts can have: a component, a handler of events
 */
export function renderStatic(content: ComponentChildren): string {
  if (content === null || content === undefined || typeof content === 'boolean') return '';
  if (Array.isArray(content)) return content.map(renderStatic).join('');
  if (!isValidElement(content)) return escapeText(String(content));
  const { type, props } = content;
  if (typeof type !== 'string') throw new Error('a static page is made of elements, not of components');
  const { children, ...attributes } = props as Record<string, unknown>;
  const begin = `<${type}${Object.entries(attributes).map(attribute).join('')}>`;
  return VOID.has(type) ? begin : `${begin}${renderStatic(children as ComponentChildren)}</${type}>`;
}

function attribute([name, value]: [string, unknown]): string {
  if (value === undefined || value === null || value === false) return '';
  if (value === true) return ` ${name}`;
  if (typeof value !== 'string' && typeof value !== 'number') throw new Error(`${name} cannot stand in a static page`);
  return ` ${name}="${escapeText(String(value))}"`;
}
