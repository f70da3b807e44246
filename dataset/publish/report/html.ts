/** HTML that cannot be broken by what is put into it: every value of a template is escaped unless it is markup already. */

/** Markup that is safe to put into a page as it is. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

export type Content = Html | string | number | null | readonly Content[];

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Replacement for control characters, so that a report is valid HTML whatever a record contains. */
const REPLACEMENT = '\uFFFD';

const escapeText = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[&<>"']/g, (character) => REFERENCES[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, REPLACEMENT);

function render(content: Content): string {
  if (content === null) return '';
  if (content instanceof Html) return content.markup;
  if (typeof content === 'string' || typeof content === 'number') return escapeText(String(content));
  return content.map(render).join('');
}

/** A template of markup: html`<p title="${title}">${text}</p>`. Attribute values must be quoted. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(strings.map((string, i) => string + (i < values.length ? render(values[i]!) : '')).join(''));
}
