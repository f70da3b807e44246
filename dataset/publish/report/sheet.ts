import type { Thumbnail } from '../thumbnails.ts';
import { type Html, html } from './html.ts';

/** The contact sheet: images from all over the grid, each with what it was to show. */
export function contactSheet(thumbnails: readonly Thumbnail[]): Html {
  if (thumbnails.length === 0) return html``;
  const figures = thumbnails.map(({ key, axes, prompt, jpeg, width, height }) => {
    const source = `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
    return html`<figure><img src="${source}" width="${width}" height="${height}" alt="Synthetic image for the prompt: ${prompt}"><figcaption>${Object.values(axes).join(' · ')}<small>${key}</small></figcaption></figure>`;
  });
  return html`<section aria-labelledby="sheet"><h2 id="sheet">Contact sheet</h2><p class="lede">The first images of cells spread evenly over the grid, in its order: none was picked by hand.</p><div class="sheet">${figures}</div></section>`;
}
