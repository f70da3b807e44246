import { h } from 'preact';
import type { Tally } from '../../contract/account/tally.ts';
import { grouped } from '../../contract/format.ts';
import { SHADES, shadeOf } from '../look.ts';
import { type Content, type Markup, quiet } from './elements.ts';

/** The quota grid as a heat map of two axes. */

export interface MapAxis {
  readonly name: string;
  readonly values: readonly string[];
}

export interface MapProps {
  readonly rows: MapAxis;
  /** Null for a grid of one axis. */
  readonly columns: MapAxis | null;
  /** A cell of the table: `mapCell`. */
  readonly cell: (row: number, column: number) => Markup;
  /** The name of a row or column; a link on the page. */
  readonly label?: (axis: MapAxis, value: string) => Content;
  /** Further attributes of the table. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export function heatMap({ rows, columns, cell, label = (_, value) => value, attributes = {} }: MapProps): Markup {
  const across = columns?.values ?? [''];
  const over = columns && [h('td', null), h('th', { scope: 'colgroup', colspan: across.length }, columns.name)];
  const names = columns
    ? across.map((value) => h('th', { scope: 'col', key: value }, label(columns, value)))
    : h('th', { scope: 'col' }, 'images');
  const body = rows.values.map((value, row) =>
    h(
      'tr',
      { key: value },
      h('th', { scope: 'row' }, label(rows, value)),
      across.map((_, column) => cell(row, column)),
    ),
  );
  return h(
    'table',
    { class: 'heat', ...attributes },
    h('caption', { class: 'quiet' }, columns ? `Images by ${rows.name} and ${columns.name}` : `Images by ${rows.name}`),
    h('thead', null, over && h('tr', null, over), h('tr', null, h('th', { scope: 'col' }, rows.name), names)),
    h('tbody', null, body),
  );
}

/** A share below the count of a cell. */
export interface MapNote {
  readonly share: string;
  /** For those who do not see the colour. */
  readonly meaning: string;
}

export interface MapCellProps {
  /** Null for an excluded combination. */
  readonly sum: Pick<Tally, 'wanted' | 'accepted' | 'exhausted'> | null;
  readonly note: MapNote;
  readonly classes: readonly string[];
  /** The content as it goes into the cell; a link on the page. */
  readonly wrap?: (content: Content) => Content;
}

export function mapCell({ sum, note, classes, wrap = (content) => content }: MapCellProps): Markup {
  if (sum === null || sum.wanted === 0) {
    const excluded = ['none', ...classes.filter((name) => !isShade(name))];
    return h('td', { class: excluded.join(' ') }, wrap(h('small', null, 'excluded')));
  }
  const isShort = sum.accepted < sum.wanted;
  const content = [
    h('b', null, grouped(sum.accepted)),
    isShort && `/${grouped(sum.wanted)}`,
    quiet(' images, '),
    h('small', null, note.share, quiet(` ${note.meaning}`)),
  ];
  return h('td', { class: [...classes, ...(sum.exhausted > 0 ? ['lacking'] : [])].join(' ') }, wrap(content));
}

/** The class of a cell of that share. */
export const shadeClass = (share: number, letter: 'n' | 'r' = 'n'): string => `${letter}${shadeOf(share)}`;

const isShade = (name: string): boolean => /^[nr]\d$/.test(name);

/** The legend of a map's colours, from the lowest to the highest. */
export const scale = ({ low, high, kind }: { low: string; high: string; kind?: string }): Markup =>
  h(
    'p',
    { class: kind === undefined ? 'scale' : `scale ${kind}`, 'aria-hidden': 'true' },
    h('span', null, low),
    Array.from({ length: SHADES }, (_, i) => h('i', { class: `n${i}` })),
    h('span', null, high),
  );
