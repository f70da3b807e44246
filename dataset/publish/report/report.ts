import { createHash } from 'node:crypto';
import type { Draft } from '../manifest.ts';
import { publicationOf } from '../publication.ts';
import type { Thumbnail } from '../thumbnails.ts';
import { heatmaps, mapRules, pairsOf } from './heatmap.ts';
import { Html, html } from './html.ts';
import { provenance } from './provenance.ts';
import { acceptance, attempts, cellTables, contactSheet, heading, headline, limits } from './sections.ts';
import { STYLE } from './style.ts';

/**
 * `report.html`: the dataset at a glance, in one file without scripts. Its policy allows its own style sheet and images in
 * data URIs, nothing else, so that not even markup smuggled into a prompt could load or run anything.
 */
export function renderReport(draft: Draft, thumbnails: readonly Thumbnail[]): string {
  const publication = publicationOf(draft);
  const style = STYLE + mapRules(pairsOf(draft).length);
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${publication.title} · synthetic cohort</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${heading(draft, publication)}
${headline(draft)}
${heatmaps(draft)}
${contactSheet(thumbnails)}
${attempts(draft)}
${acceptance(draft)}
${cellTables(draft)}
${provenance(draft, publication)}
${limits(draft)}
</main>
</body>
</html>
`;
  return page.markup;
}
