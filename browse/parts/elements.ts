import { type ComponentChildren, h, type JSX } from 'preact';

/** The elements of which the page of `cohortfarm browse` and the report are made: pure functions from data to them. */

export type Content = ComponentChildren;

export type Markup = JSX.Element;

/** A region for what may be wider than the screen: it is scrolled by itself, with the keyboard, too. */
export const scroll = (label: string, content: Content): Markup =>
  h('div', { class: 'scroll', role: 'region', 'aria-label': label, tabindex: 0 }, content);

/** Text for those who do not see the layout. */
export const quiet = (text: string): Markup => h('span', { class: 'quiet' }, text);

/** The headline numbers. */
export const tiles = (entries: readonly (readonly [term: string, value: string, note: string])[]): Markup =>
  h(
    'dl',
    { class: 'tiles' },
    entries.map(([term, value, note]) =>
      h('div', null, h('dt', null, term), h('dd', null, h('b', null, value), h('span', null, note))),
    ),
  );

/** Terms with their values. */
export const facts = (entries: readonly (readonly [term: string, ...values: Content[]])[]): Markup =>
  h(
    'dl',
    { class: 'facts' },
    entries.map(([term, ...values]) =>
      h(
        'div',
        null,
        h('dt', null, term),
        values.map((value) => h('dd', null, value)),
      ),
    ),
  );

export interface Column {
  readonly name: Content;
  readonly class?: string;
}

/** A column of numbers. */
export const numbers = (name: string): Column => ({ name, class: 'number' });

export interface TableProps {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first of each names its row. */
  readonly rows: readonly (readonly Content[])[];
  readonly class?: string;
}

export function table({ caption, columns, rows, ...attributes }: TableProps): Markup {
  const classOf = (i: number) => (columns[i]?.class === undefined ? {} : { class: columns[i].class });
  const head = columns.map(({ name }, i) => h('th', { scope: 'col', ...classOf(i) }, name));
  const body = rows.map((cells) =>
    h(
      'tr',
      null,
      cells.map((cell, i) =>
        i === 0 ? h('th', { scope: 'row', ...classOf(i) }, cell) : h('td', { ...classOf(i) }, cell),
      ),
    ),
  );
  return h(
    'table',
    attributes,
    h('caption', null, caption),
    h('thead', null, h('tr', null, head)),
    h('tbody', null, body),
  );
}

/** A share from 0 to 1 as a bar, drawn as SVG: the policies of page and report refuse style attributes. */
export const bar = (share: number, kind: string): Markup =>
  drawing('bar', [0, 0, 100, 6], rect('track', 0, 100, 6), rect(kind, 0, 100 * share, 6));

/** Parts of a whole side by side in one bar, in percent. */
export function stackedBar(parts: readonly { readonly share: number; readonly kind: string }[]): Markup {
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { share }) => sum + share, 0));
  return drawing('stack', [0, 0, 100, 10], ...parts.map(({ share, kind }, i) => rect(kind, starts[i]!, share, 10)));
}

/** The colour of a part, for a legend. */
export const swatch = (kind: string): Markup => drawing('swatch', [0, 0, 10, 10], rect(kind, 0, 10, 10));

function drawing(name: string, viewBox: readonly number[], ...shapes: Markup[]): Markup {
  const attributes = { class: name, viewBox: viewBox.join(' '), preserveAspectRatio: 'none' };
  return h('svg', { ...attributes, 'aria-hidden': 'true', focusable: 'false' }, shapes);
}

const rect = (kind: string, x: number, width: number, height: number): Markup =>
  h('rect', { class: kind, x: rounded(x), width: rounded(width), height });

const rounded = (n: number): number => Number(n.toFixed(3));

/** An image of a sheet: `picture`, and below it what it shows; as a whole, a link on the page. */
export const sheetItem = (content: Content, kind = ''): Markup => h('li', { class: `tile ${kind}`.trim() }, content);

export const caption = (text: Content, note?: Content): Markup =>
  h('span', { class: 'caption' }, text, note !== undefined && h('small', null, note));
