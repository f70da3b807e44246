import { grouped, percent } from '../../contract/format.ts';
import { gateRule } from '../../contract/gates/gate-types.ts';
import { describeGuidance } from '../../contract/guidance.ts';
import { NOTICE, objects } from '../../contract/names.ts';
import { hubFeatures } from './card-features.ts';
import { loadingSection, regeneratingSection } from './card-usage.ts';
import { basisOf, FIGURES, GROUP_FIGURES, groupText, refusedTables } from './evidence-figures.ts';
import type { Draft } from './manifest.ts';
import { code, table, text } from './markdown.ts';
import { limitations, listed, type Publication, publicationOf, trainedOn } from './publication.ts';
import { byAxisValue, rejectedBy, workerRule } from './summary.ts';

/** `README.md`: the dataset card, with the front matter that the Hugging Face hub reads. */

export function renderCard(draft: Draft): string {
  const publication = publicationOf(draft);
  const sections = [
    frontMatter(draft, publication),
    `# ${text(publication.title)}`,
    `**${NOTICE}**`,
    overview(draft),
    making(draft),
    gates(draft),
    quotas(draft),
    ...evidence(draft),
    loadingSection(draft),
    regeneratingSection(draft),
    FILES,
    `## Limits\n\n${limitations(draft)
      .map((line) => `- ${text(line)}`)
      .join('\n')}`,
    terms(publication),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** JSON is YAML too: quoted as JSON, any text stays inside its scalar. */
const quote = (value: string): string => JSON.stringify(value);

function frontMatter({ samples, name, dataset }: Draft, { title, license }: Publication): string {
  const list = (items: readonly string[]): string => items.map((item) => `\n- ${item}`).join('');
  return [
    '---',
    ...licenseLines(license),
    `pretty_name: ${quote(title)}`,
    `language:${list(['en'])}`,
    `task_categories:${list(['image-classification', 'text-to-image'])}`,
    `tags:${list(['synthetic', 'medical', 'webdataset', 'croissant', 'cohortfarm'])}`,
    `size_categories:${list([sizeCategory(samples.accepted)])}`,
    'configs:',
    '- config_name: default',
    '  data_files:',
    '  - split: train',
    `    path: ${quote(`shards/${name}-*.tar`)}`,
    ...hubFeatures(dataset.spec),
    '---',
  ].join('\n');
}

function licenseLines(license: Publication['license']): string[] {
  if (!license) return ['license: other', 'license_name: not-stated'];
  if (license.hub !== 'other') return [`license: ${quote(license.hub)}`];
  const link = license.url === null ? [] : [`license_link: ${quote(license.url)}`];
  return ['license: other', `license_name: ${quote(license.label)}`, ...link];
}

/** The hub's classes of size. */
const SIZES: readonly (readonly [number, string])[] = [
  [1e3, 'n<1K'],
  [1e4, '1K<n<10K'],
  [1e5, '10K<n<100K'],
  [1e6, '100K<n<1M'],
  [1e7, '1M<n<10M'],
  [1e8, '10M<n<100M'],
  [1e9, '100M<n<1B'],
  [1e10, '1B<n<10B'],
];

const sizeCategory = (samples: number): string => SIZES.find(([limit]) => samples < limit)![1];

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

/** Groups that the card lists; the manifest has all. */
const MAX_GROUP_ROWS = 32;

function evidence({ evidence: found }: Draft): string[] {
  const [all, ...groups] = found?.groups ?? [];
  if (!found) return [];
  const refused = refusedTables(found).map(
    ({ caption, head, rows }) =>
      `${text(caption)}.\n\n${table(
        head.map(text),
        rows.slice(0, MAX_GROUP_ROWS).map((row) => row.map(text)),
      )}`,
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

function terms({ license, creator, citation }: Publication): string {
  const lines = [
    license
      ? `License: ${license.url ? `[${text(license.label)}](<${license.url}>)` : text(license.label)}.`
      : 'License: **none stated**. Ask the publisher before using the data; the licenses of the model and of its training data may matter too.',
    ...(creator ? [`Published by ${text(creator)}.`] : []),
    ...(citation ? [`Please cite:\n\n${code(citation)}`] : []),
  ];
  return `## License and citation\n\n${lines.join('\n\n')}`;
}
