import { grouped, percent } from '../../../contract/format.ts';
import { gateRule } from '../../../contract/gates/gate-types.ts';
import type { Draft } from '../manifest.ts';
import { limitations, listed, NOTICE, type Publication } from '../publication.ts';
import { byAxisValue, type GateSum, rejectedBy } from '../summary.ts';
import type { Thumbnail } from '../thumbnails.ts';
import { type Html, html } from './html.ts';

/** The parts of the report that are numbers. */

type CellEntry = Draft['cells'][number];

/** A bar from 0 to `share` of 1, drawn as SVG: widths in a style attribute would be refused by the page's own policy. */
const bar = (share: number, kind: string): Html =>
  html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="track" width="100" height="6"/><rect class="${kind}" width="${Number((100 * share).toFixed(2))}" height="6"/></svg>`;

const rate = (cell: { accepted: number; attempts: number }): number =>
  cell.attempts > 0 ? cell.accepted / cell.attempts : 0;

export function heading(draft: Draft, { title }: Publication): Html {
  const axes = listed(Object.keys(draft.cells[0]?.axes ?? {}));
  return html`<header>
<p class="eyebrow">Synthetic imaging cohort</p>
<h1>${title}</h1>
<p class="lede">${grouped(draft.samples.accepted)} generated images that fill a quota grid of ${axes}.</p>
<p class="notice">${NOTICE}</p>
</header>`;
}

export function headline(draft: Draft): Html {
  const { samples, cells, shards, model } = draft;
  const wantedCells = cells.filter((cell) => cell.wanted > 0);
  const complete = wantedCells.filter((cell) => cell.accepted === cell.wanted).length;
  const megabytes = shards.reduce((sum, shard) => sum + shard.bytes, 0) / 1e6;
  const tile = (label: string, value: string, note: string): Html =>
    html`<div><dt>${label}</dt><dd><b>${value}</b><span>${note}</span></dd></div>`;
  const missing =
    samples.exhausted > 0
      ? `${grouped(samples.exhausted)} of ${grouped(samples.wanted)} missing`
      : `all of ${grouped(samples.wanted)} wanted`;
  return html`<dl class="tiles">
${tile('Images', grouped(samples.accepted), missing)}
${tile('Acceptance', percent(samples.accepted, samples.attempts), `of ${grouped(samples.attempts)} attempts`)}
${tile('Cells complete', `${grouped(complete)}/${grouped(wantedCells.length)}`, complete === wantedCells.length ? 'every quota met' : `${grouped(wantedCells.length - complete)} fall short`)}
${tile('Shards', grouped(shards.length), `${megabytes.toFixed(1)} MB, ${model.width}×${model.height} pixels`)}
</dl>`;
}

/** One bar for all attempts: accepted, and what each gate took. */
export function attempts(draft: Draft): Html {
  const { samples } = draft;
  const gates = rejectedBy(draft);
  const parts = [
    { name: 'accepted', n: samples.accepted, kind: 'accepted' },
    ...gates.map(({ name, rejected }, i) => ({ name, n: rejected, kind: `gate${i % 6}` })),
  ].filter((part) => part.n > 0);
  let x = 0;
  const rects = parts.map(({ n, kind }) => {
    const width = (100 * n) / Math.max(1, samples.attempts);
    const rect = html`<rect class="${kind}" x="${Number(x.toFixed(3))}" width="${Number(width.toFixed(3))}" height="10"/>`;
    x += width;
    return rect;
  });
  const legend = parts.map(
    ({ name, n, kind }) =>
      html`<li><svg viewBox="0 0 10 10" aria-hidden="true" focusable="false"><rect class="${kind}" width="10" height="10"/></svg>${name === 'accepted' ? name : `rejected by ${name}`} <b>${grouped(n)}</b> <span>${percent(n, samples.attempts)}</span></li>`,
  );
  return html`<section aria-labelledby="attempts">
<h2 id="attempts">Where the attempts went</h2>
<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">${rects}</svg>
<ul class="legend">${legend}</ul>
${gates.length > 0 ? gateTable(draft, gates) : html`<p class="note">There were no gates: every image was kept.</p>`}
</section>`;
}

function gateTable(draft: Draft, gates: readonly GateSum[]): Html {
  const rows = gates.map(
    ({ name, gate, rejected }) =>
      html`<tr><th scope="row">${name}</th><td class="rule">${gate ? gateRule(gate) : 'image is finite and not constant'}${gate?.appliesTo ? html`<small>only ${listed(gate.appliesTo)}</small>` : null}</td><td class="number">${grouped(rejected)}</td><td class="number">${percent(rejected, draft.samples.attempts)}</td><td class="hardest">${gate ? hardest(draft, gate.axis, name) : '–'}</td></tr>`,
  );
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Gates"><table><caption>An image counts under the first gate that rejected it.</caption>
<thead><tr><th scope="col">Gate</th><th scope="col">Passes when</th><th scope="col" class="number">Rejected</th><th scope="col" class="number">Of attempts</th><th scope="col">Hardest value</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** The value of a gate's axis of which it rejected the largest share. */
function hardest(draft: Draft, axis: string, gate: string): string {
  const groups = [...Map.groupBy(draft.cells, (cell) => cell.axes[axis]!)].map(([value, cells]) => {
    const rejected = cells.reduce((sum, cell) => sum + (new Map(Object.entries(cell.rejected)).get(gate) ?? 0), 0);
    const all = cells.reduce((sum, cell) => sum + cell.attempts, 0);
    return { value, rejected, share: all > 0 ? rejected / all : 0, all };
  });
  const worst = groups.reduce<(typeof groups)[number] | null>(
    (most, group) => (group.share > (most?.share ?? 0) ? group : most),
    null,
  );
  return worst ? `${worst.value} (${percent(worst.rejected, worst.all)} of its attempts)` : '–';
}

/** Values listed for an axis, at most. */
const MAX_VALUES = 24;

/** All values of an axis in their order, or those with the lowest acceptance when there are too many. */
const listedValues = <T extends { accepted: number; attempts: number }>(values: readonly T[]): readonly T[] =>
  values.length <= MAX_VALUES ? values : values.toSorted((a, b) => rate(a) - rate(b)).slice(0, MAX_VALUES);

export function acceptance(draft: Draft): Html {
  const axes = [...Map.groupBy(byAxisValue(draft), ({ axis }) => axis)].map(([axis, values]) => {
    const rows = listedValues(values).map(
      (sum) =>
        html`<tr><th scope="row">${sum.value}</th><td>${bar(rate(sum), 'accepted')}</td><td class="number"><b>${percent(sum.accepted, sum.attempts)}</b></td><td class="number">${grouped(sum.accepted)}<span class="of"> of ${grouped(sum.attempts)}</span></td></tr>`,
    );
    return html`<table class="bars"><caption>${axis}${values.length > MAX_VALUES ? `, the ${MAX_VALUES} hardest of ${grouped(values.length)} values` : ''}</caption><thead><tr><th scope="col"><span class="quiet">Value</span></th><th scope="col"><span class="quiet">Acceptance</span></th><th scope="col"><span class="quiet">Share</span></th><th scope="col"><span class="quiet">Accepted of attempts</span></th></tr></thead><tbody>${rows}</tbody></table>`;
  });
  return html`<section aria-labelledby="acceptance"><h2 id="acceptance">Acceptance by group</h2><p class="lede">${spread(draft.cells)}</p><div class="columns">${axes}</div></section>`;
}

function spread(cells: readonly CellEntry[]): string {
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

export function cellTables(draft: Draft): Html {
  const tried = draft.cells.filter((cell) => cell.attempts > 0);
  const worst = [...tried].sort((a, b) => rate(a) - rate(b) || (a.cell < b.cell ? -1 : 1)).slice(0, WORST);
  const all = draft.cells.slice(0, MAX_ROWS);
  const rest = draft.cells.length - all.length;
  return html`<section aria-labelledby="cells"><h2 id="cells">Hardest cells</h2>
${cellTable(draft, worst, 'The cells with the lowest acceptance')}
<details><summary>All ${grouped(draft.cells.length)} cells</summary>${cellTable(draft, all, 'Cells in order of the grid')}${rest > 0 ? html`<p class="note">${grouped(rest)} more are in dataset.json.</p>` : null}</details></section>`;
}

function cellTable(draft: Draft, cells: readonly CellEntry[], caption: string): Html {
  const axes = Object.keys(draft.cells[0]?.axes ?? {});
  const rows = cells.map((cell) => {
    const gates = Object.entries(cell.rejected)
      .sort(([, a], [, b]) => b - a)
      .map(([gate, n]) => `${gate} ${n}`)
      .join(', ');
    const short = cell.exhausted > 0 ? html` <b class="short">−${grouped(cell.exhausted)}</b>` : null;
    return html`<tr>${axes.map((axis) => html`<td>${cell.axes[axis]!}</td>`)}<td class="number">${grouped(cell.accepted)}${short}</td><td class="number">${grouped(cell.attempts)}</td><td class="number"><b>${percent(cell.accepted, cell.attempts)}</b></td><td class="meter">${bar(rate(cell), 'accepted')}</td><td>${gates || '–'}</td></tr>`;
  });
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}"><table class="cells"><caption>${caption}</caption><thead><tr>${axes.map((axis) => html`<th scope="col">${axis}</th>`)}<th scope="col" class="number">Images</th><th scope="col" class="number">Attempts</th><th scope="col" class="number">Acceptance</th><td></td><th scope="col">Rejected by</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

export const limits = (draft: Draft): Html =>
  html`<section aria-labelledby="limits"><h2 id="limits">Limits</h2><ul class="prose">${limitations(draft).map((line) => html`<li>${line}</li>`)}</ul></section>`;

/** The contact sheet: images from all over the grid, each with what it was to show. */
export function contactSheet(thumbnails: readonly Thumbnail[]): Html {
  if (thumbnails.length === 0) return html``;
  const figures = thumbnails.map(({ key, axes, prompt, jpeg, width, height }) => {
    const source = `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
    return html`<figure><img src="${source}" width="${width}" height="${height}" alt="Synthetic image for the prompt: ${prompt}"><figcaption>${Object.values(axes).join(' · ')}<small>${key}</small></figcaption></figure>`;
  });
  return html`<section aria-labelledby="sheet"><h2 id="sheet">Contact sheet</h2><p class="lede">The first images of cells spread evenly over the grid, in its order: none was picked by hand.</p><div class="sheet">${figures}</div></section>`;
}
