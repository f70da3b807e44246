import { grouped, percent } from '../../contract/format.ts';
import { gateRule } from '../../contract/gates/gate-types.ts';
import { describeGuidance } from '../../contract/guidance.ts';
import { NOTICE, objects } from '../../contract/names.ts';
import { CARD_ON_HUB, frontMatter, type HubCard } from './card-front.ts';
import { loadingSection, regeneratingSection } from './card-usage.ts';
import {
  agreementTables,
  basisOf,
  FIGURES,
  GROUP_FIGURES,
  type GroupTable,
  groupText,
  refusedTables,
} from './evidence-figures.ts';
import type { Draft } from './manifest.ts';
import { code, table, text } from './markdown.ts';
import { describeTerms } from './model-terms.ts';
import { limitations, listed, type Publication, publicationOf, trainedOn } from './publication.ts';
import { byAxisValue, rejectedBy, workerRule } from './summary.ts';

/** `README.md`: the dataset card, with the front matter that the Hugging Face hub reads. */

/** @param hub what a card on the Hub says besides; null for that of the published dataset */
export function renderCard(draft: Draft, hub: HubCard | null = null): string {
  const publication = publicationOf(draft);
  const sections = [
    frontMatter(draft, publication, hub),
    `# ${text(publication.title)}`,
    `**${NOTICE}**`,
    overview(draft),
    making(draft),
    gates(draft),
    quotas(draft),
    ...agreement(draft),
    ...evidence(draft),
    loadingSection(draft, hub),
    regeneratingSection(draft),
    hub ? HUB_FILES : FILES,
    `## Limits\n\n${limitations(draft)
      .map((line) => `- ${text(line)}`)
      .join('\n')}`,
    terms(publication, hub),
  ];
  return `${sections.join('\n\n')}\n`;
}

function overview({ samples, cells, shards, model, dataset }: Draft): string {
  const filled = cells.filter((cell) => cell.wanted > 0).length;
  const megabytes = shards.reduce((sum, shard) => sum + shard.bytes, 0) / 1e6;
  const shortfall =
    samples.exhausted > 0
      ? ` ${grouped(samples.exhausted)} wanted images are missing, because no attempt passed every gate.`
      : '';
  return (
    `${grouped(samples.accepted)} of ${grouped(samples.wanted)} wanted images of ${model.width}x${model.height} pixels, in ` +
    `${grouped(shards.length)} WebDataset shards (${megabytes.toFixed(1)} MB), over ${grouped(filled)} cells of a quota grid of ` +
    `${text(listed(Object.keys(dataset.spec.quota.axes)))}.${shortfall} \`${objects.report}\` shows them at a glance.`
  );
}

function making(draft: Draft): string {
  const { planDigest, model, dataset, providers, generator, samples } = draft;
  const { seed, prompt, quality } = dataset.spec;
  const { sampling } = dataset.spec.model;
  const { steps, negativePrompt } = sampling;
  const rows = [
    ['Plan (SHA-256)', code(planDigest)],
    ['Model (SHA-256)', code(model.digest)],
    ['Model from', code(model.uri)],
    ...trainedOn(draft).map(({ name, sets }) => [`Training data of the ${text(name)}`, text(sets)]),
    ['Prompt template', code(prompt.template)],
    ['Negative prompt', negativePrompt === '' ? 'none' : code(negativePrompt)],
    ['Sampler', `${text(model.scheduler)}, ${steps} steps, guidance ${describeGuidance(sampling)}`],
    ['Seed', String(seed)],
    ['Hardware', text(listed(providers))],
    ['Made by', `${generator.name} ${text(generator.version)}`],
  ];
  const { parent } = draft;
  if (parent) rows.push(['Extends', `${text(parent.name)}, ${code(parent.manifest)}, SHA-256 ${code(parent.sha256)}`]);
  const story =
    `A quota fixes how many images each cell gets. For each wanted image up to ${quality.maxAttempts} were generated, each from ` +
    `a seed of its own, and the first that passed every gate was kept: ${grouped(samples.accepted)} of ` +
    `${grouped(samples.attempts)} (${percent(samples.accepted, samples.attempts)}).`;
  return `## How it was made\n\n${story}\n\n${table(['What', 'Value'], rows)}`;
}

function gates(draft: Draft): string {
  const rows = rejectedBy(draft).map(({ name, gate, rejected }) => [
    text(name),
    gate?.axis ? text(gate.axis) : '',
    gate ? text(gateRule(gate)) : workerRule(name),
    gate?.appliesTo ? text(listed(gate.appliesTo)) : 'all',
    grouped(rejected),
    percent(rejected, draft.samples.attempts),
  ]);
  const head = ['Gate', 'Axis', 'Passes', 'Applies to', 'Rejected', 'Of all attempts'];
  const body = rows.length > 0 ? table(head, rows) : 'There were no gates: every image was kept.';
  return `## Gates\n\nAn image counts under the first gate that rejected it.\n\n${body}`;
}

/** More cells than this would make the card unreadable; the manifest lists all. */
const MAX_CELL_ROWS = 64;

function quotas(draft: Draft): string {
  const counts = (tally: { wanted: number; accepted: number; attempts: number }): string[] => [
    grouped(tally.wanted),
    grouped(tally.accepted),
    grouped(tally.attempts),
    percent(tally.accepted, tally.attempts),
  ];
  const head = ['Wanted', 'Accepted', 'Attempts', 'Acceptance'];
  const margins = byAxisValue(draft).map(({ axis, value, ...tally }) => [text(axis), text(value), ...counts(tally)]);
  const axes = Object.keys(draft.cells[0]?.axes ?? {});
  const cells =
    draft.cells.length <= MAX_CELL_ROWS
      ? table(
          [...axes.map(text), ...head],
          draft.cells.map((cell) => [...axes.map((axis) => text(cell.axes[axis]!)), ...counts(cell)]),
        )
      : `Its ${grouped(draft.cells.length)} cells are listed in \`${objects.manifest}\`.`;
  return `## Quota\n\n${table(['Axis', 'Value', ...head], margins)}\n\n${cells}`;
}

function agreement({ agreement: found = [] }: Draft): string[] {
  return agreementTables(found).map((one) => `## ${text(one.caption)}\n\n${groupTable(one)}`);
}

const groupTable = ({ head, rows }: GroupTable): string =>
  table(
    head.map(text),
    rows.map((row) => row.map(text)),
  );

/** Groups that the card lists; the manifest has all. */
const MAX_GROUP_ROWS = 32;

function evidence({ evidence: found }: Draft): string[] {
  const [all, ...groups] = found?.groups ?? [];
  if (!found) return [];
  const refused = refusedTables(found).map(
    (one) => `${text(one.caption)}.\n\n${groupTable({ ...one, rows: one.rows.slice(0, MAX_GROUP_ROWS) })}`,
  );
  if (!all) return refused.length === 0 ? [] : [`## Evidence\n\n${text(basisOf(found))}`, ...refused];
  const whole = FIGURES.flatMap(({ name, value, meaning }) => {
    const shown = value(all);
    return shown === null ? [] : [[text(name), shown, text(meaning)]];
  });
  const figures = GROUP_FIGURES.filter(({ value }) => groups.some((group) => value(group) !== null));
  const rows = groups
    .slice(0, MAX_GROUP_ROWS)
    .map((group) => [text(groupText(group.group)), ...figures.map(({ value }) => value(group) ?? '')]);
  return [
    `## Evidence\n\n${text(basisOf(found))}\n\n${table(['Figure', 'All images', 'Meaning'], whole)}`,
    ...(rows.length > 0 ? [table(['Group', ...figures.map(({ name }) => text(name))], rows)] : []),
    ...refused,
    ...(found.leftOut.length > 0
      ? [
          `${grouped(found.leftOut.length)} groups have too few images for some figures; \`${objects.manifest}\` lists them.`,
        ]
      : []),
  ];
}

const FILES = `## Files

| Object | What it holds |
| --- | --- |
| \`shards/*.tar\` | WebDataset: KEY.jpg or KEY.png, KEY.txt (prompt), KEY.json (record) |
| \`${objects.index}\` | one row per image: labels, prompt, seed, gate scores, shard, byte offsets and sizes |
| \`${objects.wids}\` | shard index for random access with \`wids\` |
| \`${objects.croissant}\` | Croissant 1.1 metadata with RAI 1.0 and provenance |
| \`${objects.report}\` | quota, acceptance and sample images on one page |
| \`records/*.json\` | counts and SHA-256 of each shard |
| \`${objects.manifest}\` | the manifest: plan, digests of all objects |

Each image declares itself synthetic in its XMP metadata (IPTC digital source type \`trainedAlgorithmicMedia\`).`;

/** The same with what `push` adds. */
const HUB_FILES = FILES.replace(
  '| `shards',
  '| `data/*.parquet` | one row per image, with the image: what `load_dataset` and the viewer read |\n$&',
).replace(
  `| \`${objects.manifest}\``,
  `| \`${CARD_ON_HUB}\` | the card as it was published; \`cohortfarm pull\` puts it back in its place |\n$&`,
);

function terms({ license, creator, citation, access, modelTerms }: Publication, hub: HubCard | null): string {
  const source = hub?.modelTerms ?? null;
  const lines = [
    license
      ? `License: ${license.url ? `[${text(license.label)}](<${license.url}>)` : text(license.label)}.`
      : 'License: **none stated**. Ask the publisher before using the data; the licenses of the model and of its training data may matter too.',
    ...(access ? [`Who uses the data agrees to these terms:\n\n> ${text(access)}`] : []),
    ...(modelTerms ? [`Terms of the model that the images were sampled from: ${text(modelTerms)}`] : []),
    ...(source ? [describeTerms(source)] : []),
    ...(creator ? [`Published by ${text(creator)}.`] : []),
    ...(citation ? [`Please cite:\n\n${code(citation)}`] : []),
  ];
  return `## License and citation\n\n${lines.join('\n\n')}`;
}
