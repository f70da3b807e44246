import { h } from 'preact';
import { SHADES } from '../../../browse/look.ts';
import { type Markup, scroll } from '../../../browse/parts/elements.ts';
import { heatMap, mapCell, scale, shadeClass } from '../../../browse/parts/map.ts';
import { type Grid, sumGrid } from '../../../browse/parts/sums.ts';
import { grouped, percent } from '../../../contract/format.ts';
import { section } from './sections.ts';

/**
 * The quota grid as heat maps, one for each pair of axes, summed over the others. Which pair shows, and what the colour
 * means, is chosen by radio buttons and a style sheet: the page has no script.
 */

type Axis = Grid['axes'][number];

interface Pair {
  readonly rows: Axis;
  /** Null in a grid of one axis. */
  readonly columns: Axis | null;
}

/** Rows or columns of a map, at most. */
const MAX_VALUES = 24;
/** Together with `MAX_VALUES`, bounds the size of the report. */
const MAX_PAIRS = 15;

/** The pairs that are drawn: of two axes the one with fewer values lies across, since pages are narrow. */
export function pairsOf({ axes }: Pick<Grid, 'axes'>): Pair[] {
  if (axes.length === 1) return [{ rows: axes[0]!, columns: null }];
  const pairs = axes.flatMap((a, i) =>
    axes
      .slice(i + 1)
      .map((b) => (a.values.length < b.values.length ? { rows: b, columns: a } : { rows: a, columns: b })),
  );
  return pairs.slice(0, MAX_PAIRS);
}

const nameOf = ({ rows, columns }: Pair): string => (columns ? `${rows.name} × ${columns.name}` : rows.name);

/** The section with its controls. */
export function heatmaps(grid: Grid): Markup {
  const pairs = pairsOf(grid);
  const isShort = grid.cells.exhausted.some((n) => n > 0);
  const lede = `How many images each combination has, summed over the other axes, and below that the share of its attempts that was accepted.${isShort ? ' Underlined sums are short of their quota.' : ''}`;
  return section({ id: 'quota', title: 'Quota grid', lede, kind: 'quota' }, [
    h(
      'div',
      { class: 'controls' },
      choices(
        'Axes',
        'pair',
        pairs.map((pair, i) => [`pair-${i}`, nameOf(pair)]),
      ),
      choices('Colour shows', 'tone', [
        ['tone-images', 'images'],
        ['tone-rate', 'acceptance'],
      ]),
    ),
    pairs.map((pair, i) => pairMap(grid, pair, `map-${i}`)),
  ]);
}

/** Radio buttons, of which the first is chosen. */
function choices(legend: string, name: string, options: readonly (readonly [id: string, text: string])[]): Markup {
  const buttons = options.map(([id, text], i) =>
    h('label', null, h('input', { type: 'radio', name, id, checked: i === 0 }), h('span', null, text)),
  );
  return h('fieldset', { class: 'choices' }, h('legend', null, legend), buttons);
}

function pairMap(grid: Grid, pair: Pair, id: string): Markup {
  const { rows, columns } = pair;
  const at = sumGrid(grid, rows, columns, {});
  const shown = (axis: Axis) => ({ name: axis.name, values: axis.values.slice(0, MAX_VALUES) });
  const hidden = [rows, columns].reduce((sum, axis) => sum + Math.max(0, (axis?.values.length ?? 0) - MAX_VALUES), 0);
  const across = columns?.values ?? [''];
  const most = Math.max(1, ...rows.values.flatMap((_, r) => across.map((_, c) => at(r, c)?.accepted ?? 0)));
  const cell = (r: number, c: number): Markup => {
    const sum = at(r, c);
    const { accepted, attempts } = sum ?? { accepted: 0, attempts: 0 };
    return mapCell({
      sum,
      note: { share: percent(accepted, attempts), meaning: 'of attempts accepted' },
      classes: [shadeClass(accepted / most), shadeClass(accepted / Math.max(1, attempts), 'r')],
    });
  };
  return h(
    'div',
    { class: `map ${id}` },
    scroll(`Heat map ${nameOf(pair)}`, heatMap({ rows: shown(rows), columns: columns && shown(columns), cell })),
    scale({ low: '0', high: `${grouped(most)} images`, kind: 'images' }),
    scale({ low: '0 %', high: '100 % accepted', kind: 'rate' }),
    hidden > 0 && h('p', { class: 'note' }, `${hidden} more values are not shown; dataset.json has them all.`),
  );
}

/** The rules that show the chosen map and colours; a browser without :has() shows all maps, coloured by images. */
export function mapRules(pairs: number): string {
  const shown = Array.from({ length: pairs }, (_, i) => `.quota:has(#pair-${i}:checked) .map-${i}`).join(',');
  const chosen = '.quota:has(#tone-rate:checked)';
  const rates = Array.from({ length: SHADES }, (_, i) => `${chosen} .heat .r${i}{background:var(--shade-${i})}`);
  return `@supports selector(:has(*)){.map{display:none}${shown}{display:block}${chosen} .scale.images{display:none}${chosen} .scale.rate{display:flex}}${rates.join('')}`;
}
