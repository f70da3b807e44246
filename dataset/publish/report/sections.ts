import { h } from 'preact';
import {
  bar,
  type Content,
  caption,
  type Markup,
  quiet,
  sheetItem,
  stackedBar,
  swatch,
  table,
  tiles,
} from '../../../browse/parts/elements.ts';
import { type Grid, hardestCells } from '../../../browse/parts/sums.ts';
import { cellTable, gateTable } from '../../../browse/parts/tables.ts';
import { grouped, percent } from '../../../contract/format.ts';
import { NOTICE } from '../../../contract/names.ts';
import type { Draft } from '../manifest.ts';
import { limitations, listed, type Publication } from '../publication.ts';
import { byAxisValue, gateViews, rejectedBy } from '../summary.ts';
import type { Thumbnail } from '../thumbnails.ts';

/** The sections of the report. */

interface SectionProps {
  readonly id: string;
  readonly title: string;
  readonly lede?: string;
  readonly kind?: string;
}

export const section = ({ id, title, lede, kind }: SectionProps, content: Content): Markup =>
  h(
    'section',
    { ...(kind !== undefined && { class: kind }), 'aria-labelledby': id },
    h('h2', { id }, title),
    lede !== undefined && h('p', { class: 'lede' }, lede),
    content,
  );

export const heading = (draft: Draft, { title }: Publication): Markup =>
  h(
    'header',
    null,
    h('p', { class: 'eyebrow' }, 'Synthetic imaging cohort'),
    h('h1', null, title),
    h(
      'p',
      { class: 'lede' },
      `${grouped(draft.samples.accepted)} generated images that fill a quota grid of ${listed(Object.keys(draft.cells[0]?.axes ?? {}))}.`,
    ),
    h('p', { class: 'notice' }, NOTICE),
  );

export function headline({ samples, cells, shards, model }: Draft): Markup {
  const wanted = cells.filter((cell) => cell.wanted > 0);
  const complete = wanted.filter((cell) => cell.accepted === cell.wanted).length;
  const megabytes = shards.reduce((sum, shard) => sum + shard.bytes, 0) / 1e6;
  const missing =
    samples.exhausted > 0
      ? `${grouped(samples.exhausted)} of ${grouped(samples.wanted)} missing`
      : `all of ${grouped(samples.wanted)} wanted`;
  const short = complete === wanted.length ? 'every quota met' : `${grouped(wanted.length - complete)} fall short`;
  return tiles([
    ['Images', grouped(samples.accepted), missing],
    ['Acceptance', percent(samples.accepted, samples.attempts), `of ${grouped(samples.attempts)} attempts`],
    ['Cells complete', `${grouped(complete)}/${grouped(wanted.length)}`, short],
    ['Shards', grouped(shards.length), `${megabytes.toFixed(1)} MB, ${model.width}×${model.height} pixels`],
  ]);
}

/** One bar for all attempts: accepted, and what each gate took. */
export function attempts(draft: Draft, grid: Grid): Markup {
  const { samples } = draft;
  const gates = rejectedBy(draft);
  const parts = [
    { name: 'accepted', n: samples.accepted, kind: 'accepted' },
    ...gates.map(({ name, rejected }, i) => ({ name: `rejected by ${name}`, n: rejected, kind: `gate${i % 6}` })),
  ].filter((part) => part.n > 0);
  const shares = parts.map(({ n, kind }) => ({ share: (100 * n) / Math.max(1, samples.attempts), kind }));
  const legend = parts.map(({ name, n, kind }) =>
    h(
      'li',
      null,
      swatch(kind),
      name,
      ' ',
      h('b', null, grouped(n)),
      ' ',
      h('span', null, percent(n, samples.attempts)),
    ),
  );
  const shown = gateViews(draft).filter(({ name }) => gates.some((gate) => gate.name === name));
  return section({ id: 'attempts', title: 'Where the attempts went' }, [
    stackedBar(shares),
    h('ul', { class: 'legend' }, legend),
    shown.length > 0
      ? gateTable(grid, everyCell(grid), shown)
      : h('p', { class: 'note' }, 'There were no gates: every image was kept.'),
  ]);
}

const everyCell = ({ cells }: Grid): number[] => [...cells.wanted.keys()];

/** Values listed for an axis, at most. */
const MAX_VALUES = 24;

const rate = (cell: { accepted: number; attempts: number }): number =>
  cell.attempts > 0 ? cell.accepted / cell.attempts : 0;

/** All values of an axis in their order, or those with the lowest acceptance when there are too many. */
const listedValues = <T extends { accepted: number; attempts: number }>(values: readonly T[]): readonly T[] =>
  values.length <= MAX_VALUES ? values : values.toSorted((a, b) => rate(a) - rate(b)).slice(0, MAX_VALUES);

export function acceptance(draft: Draft): Markup {
  const axes = [...Map.groupBy(byAxisValue(draft), ({ axis }) => axis)].map(([axis, values]) => {
    const rows = listedValues(values).map((sum) => [
      sum.value,
      bar(rate(sum), 'accepted'),
      h('b', null, percent(sum.accepted, sum.attempts)),
      [grouped(sum.accepted), h('span', { class: 'of' }, ` of ${grouped(sum.attempts)}`)],
    ]);
    const all = values.length > MAX_VALUES ? `, the ${MAX_VALUES} hardest of ${grouped(values.length)} values` : '';
    const columns = ['Value', 'Acceptance', 'Share', 'Accepted of attempts'].map((name, i) => ({
      name: quiet(name),
      ...(i > 1 && { class: 'number' }),
    }));
    return table({ caption: axis + all, class: 'bars', columns, rows });
  });
  const title = 'Acceptance by group';
  return section({ id: 'acceptance', title, lede: spread(draft.cells) }, h('div', { class: 'columns' }, axes));
}

function spread(cells: Draft['cells']): string {
  const rates = cells
    .filter((cell) => cell.attempts > 0)
    .map(rate)
    .sort((a, b) => a - b);
  if (rates.length === 0) return 'Nothing was generated.';
  const at = (share: number): string => percent(rates[Math.floor(share * (rates.length - 1))]!, 1);
  return `Across ${grouped(rates.length)} cells acceptance runs from ${at(0)} to ${at(1)}; the median cell has ${at(0.5)}. Where it is low, the generator struggles with the group or a gate does: look at the images before you trust either.`;
}

const WORST = 10;
/** More rows than this are left to dataset.json. */
const MAX_ROWS = 400;

export function cellTables(grid: Grid): Markup {
  const every = everyCell(grid);
  const rest = every.length - MAX_ROWS;
  return section({ id: 'cells', title: 'Hardest cells' }, [
    cellTable(grid, hardestCells(grid, every, WORST), { caption: 'The cells with the lowest acceptance' }),
    h(
      'details',
      null,
      h('summary', null, `All ${grouped(every.length)} cells`),
      cellTable(grid, every.slice(0, MAX_ROWS), { caption: 'Cells in order of the grid' }),
      rest > 0 && h('p', { class: 'note' }, `${grouped(rest)} more are in dataset.json.`),
    ),
  ]);
}

export function limits(draft: Draft): Markup {
  const lines = limitations(draft).map((line) => h('li', null, line));
  return section({ id: 'limits', title: 'Limits' }, h('ul', { class: 'prose' }, lines));
}

/** The contact sheet: images from all over the grid, each with what it was to show. */
export function contactSheet(thumbnails: readonly Thumbnail[]): Content {
  if (thumbnails.length === 0) return null;
  const items = thumbnails.map(({ key, axes, prompt, jpeg, width, height }) => {
    const src = `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
    const alt = `Synthetic image for the prompt: ${prompt}`;
    return sheetItem([h('img', { src, width, height, alt }), caption(Object.values(axes).join(' · '), key)]);
  });
  const lede = 'The first images of cells spread evenly over the grid, in its order: none was picked by hand.';
  return section({ id: 'sheet', title: 'Contact sheet', lede }, h('ul', { class: 'sheet' }, items));
}
