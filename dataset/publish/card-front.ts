import { shardFeatures } from './card-features.ts';
import type { Draft } from './manifest.ts';
import type { ModelTerms } from './model-terms.ts';
import type { Publication } from './publication.ts';

/** The front matter of the dataset card, which the Hugging Face Hub reads. */

/** The part of a card that only a dataset on the Hub has. */
export interface HubCard {
  /** ORG/NAME. */
  readonly repository: string;
  readonly splits: readonly string[];
  /** Columns of the Parquet files, with their types as `datasets` calls them. */
  readonly columns: readonly { readonly name: string; readonly feature: string }[];
  readonly modelTerms: ModelTerms | null;
}

/** Key on the Hub of the card as it was published. */
export const CARD_ON_HUB = 'card.md';

/** JSON is YAML too: quoted as JSON, any text stays inside its scalar. */
const quote = (value: string): string => JSON.stringify(value);

export function frontMatter(
  { samples, name, dataset }: Draft,
  { title, license, access }: Publication,
  hub: HubCard | null,
): string {
  const list = (items: readonly string[]): string => items.map((item) => `\n- ${item}`).join('');
  return [
    '---',
    ...licenseLines(license),
    `pretty_name: ${quote(title)}`,
    `language:${list(['en'])}`,
    `task_categories:${list(['image-classification', 'text-to-image'])}`,
    `tags:${list(['synthetic', 'medical', 'webdataset', 'croissant', 'cohortfarm'])}`,
    `size_categories:${list([sizeCategory(samples.accepted)])}`,
    ...gatedPrompt(access, hub),
    'configs:',
    '- config_name: default',
    '  data_files:',
    // Only one way to load it: `datasets` reads all configurations of a card as files of one kind.
    ...(hub
      ? hub.splits.flatMap((split) => dataFiles(split, `data/${split}-*.parquet`))
      : dataFiles('train', `shards/${name}-*.tar`)),
    'dataset_info:',
    '- config_name: default',
    '  features:',
    ...(hub ? parquetFeatures(hub.columns) : shardFeatures(dataset.spec)),
    '---',
  ].join('\n');
}

const dataFiles = (split: string, path: string): string[] => [`  - split: ${split}`, `    path: ${quote(path)}`];

const parquetFeatures = (columns: HubCard['columns']): string[] =>
  columns.flatMap(({ name, feature }) => [`  - name: ${quote(name)}`, `    dtype: ${feature}`]);

/** The terms that readers accept before the Hub gives them the data: the publisher's terms, and those of the model. */
export function gatedText(access: string | null, terms: ModelTerms | null): string | null {
  const model = terms?.prompt
    ? `The images were sampled from ${terms.name}, whose own terms of access are:\n\n${terms.prompt}`
    : null;
  return [access, model].filter((part) => part !== null).join('\n\n') || null;
}

function gatedPrompt(access: string | null, hub: HubCard | null): string[] {
  const prompt = gatedText(access, hub?.modelTerms ?? null);
  return prompt === null ? [] : [`extra_gated_prompt: ${quote(prompt)}`];
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
