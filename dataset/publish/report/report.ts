import { createHash } from 'node:crypto';
import { escapeText, renderStatic } from '../../../browse/parts/static.ts';
import { PARTS_CSS } from '../../../browse/parts/style.ts';
import type { Draft } from '../manifest.ts';
import { publicationOf } from '../publication.ts';
import { gridOf } from '../summary.ts';
import type { Thumbnail } from '../thumbnails.ts';
import { agreement, evidence } from './evidence.ts';
import { heatmaps, mapRules, pairsOf } from './heatmap.ts';
import { provenance } from './provenance.ts';
import { acceptance, attempts, cellTables, contactSheet, heading, headline, limits } from './sections.ts';
import { STYLE } from './style.ts';

/**
 * `report.html`: the dataset at a glance, in one file without scripts. Its policy allows its own style sheet and images in
 * data URIs, nothing else, so that not even markup smuggled into a prompt could load or run anything.
 */
export function renderReport(draft: Draft, thumbnails: readonly Thumbnail[]): string {
  const publication = publicationOf(draft);
  const grid = gridOf(draft.cells, (cell) => draft.cells[cell]);
  const style = PARTS_CSS + STYLE + mapRules(pairsOf(grid).length);
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const content = renderStatic([
    heading(draft, publication),
    headline(draft),
    heatmaps(grid),
    contactSheet(thumbnails),
    attempts(draft, grid),
    acceptance(draft),
    cellTables(grid),
    agreement(draft),
    evidence(draft),
    provenance(draft, publication),
    limits(draft),
  ]);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeText(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escapeText(publication.title)} · synthetic cohort</title>
<style>${style}</style>
</head>
<body>
<main>${content}</main>
</body>
</html>
`;
}
