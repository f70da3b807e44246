import { h } from 'preact';
import { type Content, type Markup, numbers, scroll, table } from '../../../browse/parts/elements.ts';
import { grouped } from '../../../contract/format.ts';
import type { Evidence, GroupEvidence } from '../../../contract/schema/evidence.ts';
import {
  agreementTables,
  basisOf,
  FIGURES,
  GROUP_FIGURES,
  type GroupTable,
  groupText,
  refusedTables,
} from '../evidence-figures.ts';
import type { Draft } from '../manifest.ts';
import { section } from './sections.ts';

/** The section of the report about fidelity, diversity and privacy. */

/** Images nearest to training images that the page lists. */
const SUSPICIOUS = 10;

export function evidence({ evidence: found }: Draft): Content {
  const [all, ...groups] = found?.groups ?? [];
  const refused = found ? refusedTables(found) : [];
  if (!found || (!all && refused.length === 0)) return null;
  const single = groups.filter(({ group }) => Object.keys(group).length === 1);
  const cells = groups.filter(({ group }) => Object.keys(group).length > 1);
  return section({ id: 'evidence', title: 'Evidence', lede: basisOf(found) }, [
    all && wholeTable(all),
    single.length > 0 && groupTable(single, 'By the values of one axis'),
    cells.length > 0 && folded(`${grouped(cells.length)} cells`, groupTable(cells, 'Cells with enough images')),
    suspicious(found),
    ...refused.map(groupedTable),
    leftOut(found),
  ]);
}

/** The section about gates that refuse nothing: independent classifiers. */
export function agreement({ agreement: found = [] }: Draft): Content {
  if (found.length === 0) return null;
  const lede = 'Gates that refuse no image say how often the accepted images show what their prompts asked for.';
  return section(
    { id: 'agreement', title: 'Agreement with the prompts', lede },
    agreementTables(found).map(groupedTable),
  );
}

function groupedTable({ caption, head, rows }: GroupTable): Markup {
  const columns = head.map((name, i) => (i === 0 ? { name } : numbers(name)));
  return scroll(caption, table({ caption, columns, rows }));
}

const folded = (summary: string, content: Content): Markup => h('details', null, h('summary', null, summary), content);

function wholeTable(all: GroupEvidence): Markup {
  const rows = FIGURES.flatMap(({ name, value, meaning }) => {
    const shown = value(all);
    return shown === null ? [] : [[name, shown, meaning]];
  });
  const columns = [{ name: 'Figure' }, numbers('Value'), { name: 'Meaning' }];
  return scroll('All images', table({ caption: 'All images', columns, rows }));
}

function groupTable(groups: readonly GroupEvidence[], caption: string): Markup {
  const figures = GROUP_FIGURES.filter(({ value }) => groups.some((group) => value(group) !== null));
  const rows = groups.map((group) => [
    groupText(group.group),
    grouped(group.images),
    ...figures.map(({ value }) => value(group) ?? '–'),
  ]);
  const columns = [{ name: 'Group' }, numbers('Images'), ...figures.map(({ name }) => numbers(name))];
  return scroll(caption, table({ caption, columns, rows }));
}

function suspicious({ suspicious: nearest }: Evidence): Content {
  if (nearest.length === 0) return null;
  const rows = nearest
    .slice(0, SUSPICIOUS)
    .map(({ key, distance, image }) => [
      key,
      String(Number(distance.toPrecision(3))),
      h('code', null, image.slice(0, 12)),
    ]);
  const caption = 'Look at these first. The training image is named by its SHA-256.';
  const columns = [{ name: 'Image' }, numbers('Distance'), { name: 'Training image' }];
  return folded('Images nearest to a training image', table({ caption, columns, rows }));
}

function leftOut({ leftOut: groups }: Evidence): Content {
  if (groups.length === 0) return null;
  const items = groups.map(({ group, part, reason }) => h('li', null, `${groupText(group)}, ${part}: ${reason}`));
  return folded(`Left out: ${grouped(groups.length)}`, h('ul', { class: 'prose' }, items));
}
