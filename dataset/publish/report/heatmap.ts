import { SHADES, shadeOf } from '../../../browse/look.ts';
import { type Counts, totals } from '../../../contract/account/tally.ts';
import { grouped, percent } from '../../../contract/format.ts';
import type { Draft } from '../manifest.ts';
import { axesOf } from '../summary.ts';
import { type Html, html } from './html.ts';

/**
 * The quota grid as heat maps, one for each pair of axes, summed over the others. Which pair shows, and what the colour
 * means, is chosen by radio buttons and a style sheet: the page has no script.
 */

interface AxisValues {
  readonly name: string;
  readonly values: readonly string[];
  /** Values that found no room. */
  readonly hidden: number;
}

interface Pair {
  readonly rows: AxisValues;
  readonly columns: AxisValues;
}

/** Rows or columns of a map, at most. */
const MAX_VALUES = 24;
/** Together with `MAX_VALUES`, bounds the size of the report. */
const MAX_PAIRS = 15;
/** The pairs that are drawn: of two axes the one with fewer values lies across, since pages are narrow. */
export function pairsOf(draft: Pick<Draft, 'cells'>): Pair[] {
  const axes = axesOf(draft).map(({ name, values }) => ({
    name,
    values: values.slice(0, MAX_VALUES),
    hidden: Math.max(0, values.length - MAX_VALUES),
  }));
  if (axes.length === 1) return [{ rows: axes[0]!, columns: { name: '', values: [''], hidden: 0 } }];
  const pairs = axes.flatMap((a, i) =>
    axes
      .slice(i + 1)
      .map((b) => (a.values.length < b.values.length ? { rows: b, columns: a } : { rows: a, columns: b })),
  );
  return pairs.slice(0, MAX_PAIRS);
}

/** The section with its controls. */
export function heatmaps(draft: Draft): Html {
  const pairs = pairsOf(draft);
  const label = ({ rows, columns }: Pair): string =>
    columns.name === '' ? rows.name : `${rows.name} × ${columns.name}`;
  const choice = (name: string, id: string, text: string, checked: boolean): Html =>
    checked
      ? html`<label><input type="radio" name="${name}" id="${id}" checked><span>${text}</span></label>`
      : html`<label><input type="radio" name="${name}" id="${id}"><span>${text}</span></label>`;
  return html`<section class="quota" aria-labelledby="quota">
<h2 id="quota">Quota grid</h2>
<p class="lede">How many images each combination has, summed over the other axes, and below that the share of its attempts that was accepted.${draft.samples.exhausted > 0 ? ' Underlined sums are short of their quota.' : ''}</p>
<div class="controls">
<fieldset class="choices"><legend>Axes</legend>${pairs.map((pair, i) => choice('pair', `pair-${i}`, label(pair), i === 0))}</fieldset>
<fieldset class="choices"><legend>Colour shows</legend>${choice('tone', 'tone-images', 'images', true)}${choice('tone', 'tone-rate', 'acceptance', false)}</fieldset>
</div>
${pairs.map((pair, i) => heatmap(draft, pair, { id: `map-${i}`, caption: label(pair) }))}
</section>`;
}

function heatmap(draft: Draft, { rows, columns }: Pair, { id, caption }: { id: string; caption: string }): Html {
  const single = columns.name === '';
  const keyOf = (row: string, column: string): string => JSON.stringify([row, column]);
  const groups = Map.groupBy(draft.cells, ({ axes }) => keyOf(axes[rows.name]!, single ? '' : axes[columns.name]!));
  const sums = new Map([...groups].map(([key, cells]) => [key, totals(cells)]));
  const most = Math.max(1, ...[...sums.values()].map((sum) => sum.accepted));
  const over = single
    ? null
    : html`<tr><td></td><th scope="colgroup" colspan="${columns.values.length}">${columns.name}</th></tr>`;
  const head = columns.values.map((value) => html`<th scope="col">${single ? 'images' : value}</th>`);
  const body = rows.values.map((row) => {
    const entries = columns.values.map((column) => entry(sums.get(keyOf(row, column)), most));
    return html`<tr><th scope="row">${row}</th>${entries}</tr>`;
  });
  const hidden = rows.hidden + columns.hidden;
  return html`<div class="map ${id}"><div class="scroll" role="region" tabindex="0" aria-label="Heat map ${caption}">
<table class="heat"><caption>${caption}</caption><thead>${over}<tr><th scope="col">${rows.name}</th>${head}</tr></thead><tbody>${body}</tbody></table>
</div>${scale('images', '0', `${grouped(most)} images`)}${scale('rate', '0 %', '100 % accepted')}
${hidden > 0 ? html`<p class="note">${hidden} more values are not shown; dataset.json has them all.</p>` : null}</div>`;
}

function scale(tone: string, low: string, high: string): Html {
  const shades = Array.from({ length: SHADES }, (_, i) => html`<i class="n${i}"></i>`);
  return html`<p class="scale ${tone}" aria-hidden="true"><span>${low}</span>${shades}<span>${high}</span></p>`;
}

function entry(sum: Required<Counts> | undefined, most: number): Html {
  if (!sum || sum.wanted === 0) return html`<td class="none"><span>excluded</span></td>`;
  const classes = `n${shadeOf(sum.accepted / most)} r${shadeOf(sum.attempts > 0 ? sum.accepted / sum.attempts : 0)}`;
  const count =
    sum.exhausted > 0
      ? html`<b>${grouped(sum.accepted)}</b>/${grouped(sum.wanted)}`
      : html`<b>${grouped(sum.accepted)}</b>`;
  return html`<td class="${classes}${sum.exhausted > 0 ? ' lacking' : ''}">${count}<small>${percent(sum.accepted, sum.attempts)}</small></td>`;
}

/** The rules that show the chosen map and colours; a browser without :has() shows all maps, coloured by images. */
export function mapRules(pairs: number): string {
  const all = Array.from({ length: pairs }, (_, i) => i);
  const shown = all.map((i) => `.quota:has(#pair-${i}:checked) .map-${i}`).join(',');
  const shades = Array.from({ length: SHADES }, (_, i) => i);
  const by = (tone: string, letter: string): string =>
    shades.map((i) => `${tone}.${letter}${i}{background:var(--shade-${i})}`).join('');
  const chosen = '.quota:has(#tone-rate:checked)';
  return `@supports selector(:has(*)){.map{display:none}${shown}{display:block}${chosen} .scale.images{display:none}${chosen} .scale.rate{display:flex}}${by('.quota .heat ', 'n')}${by('.scale ', 'n')}${by(`${chosen} .heat `, 'r')}`;
}
