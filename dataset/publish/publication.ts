import { percent } from '../../contract/format.ts';
import { hasModel } from '../../contract/gates/gate-types.ts';
import { PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import { plannedGates } from '../../contract/plan/identity.ts';
import type { Draft } from './manifest.ts';

/** The publisher's statements about the dataset, and the sentences that card, Croissant and report share. */

export interface License {
  /** As the Hugging Face hub spells it: a lower-case SPDX identifier, or `other`. */
  readonly hub: string;
  /** The address of its text. */
  readonly url: string | null;
  readonly label: string;
}

export interface Publication {
  readonly title: string;
  readonly license: License | null;
  readonly creator: string | null;
  readonly url: string | null;
  readonly citation: string | null;
  readonly datePublished: string | null;
  /** Terms that readers accept before they get the data. */
  readonly access: string | null;
  readonly modelTerms: string | null;
}

/** Reads the annotations of the resource (see PUBLICATION_ANNOTATIONS); what is absent or malformed is null. */
export function publicationOf({ name, dataset }: Pick<Draft, 'name' | 'dataset'>): Publication {
  const annotations = new Map<string, unknown>(Object.entries(dataset.metadata.annotations ?? {}));
  const text = (key: keyof typeof PUBLICATION_ANNOTATIONS): string | null => {
    const value = annotations.get(PUBLICATION_ANNOTATIONS[key]);
    return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
  };
  const [license, url, date] = [text('license'), text('url'), text('datePublished')];
  const { uri } = dataset.spec.output;
  return {
    title: text('title') ?? name,
    license: license === null ? null : readLicense(license),
    creator: text('creator'),
    url: url !== null && isWebUrl(url) ? url : /^s3:/i.test(uri) ? uri : null,
    citation: text('citation'),
    datePublished: date !== null && /^\d{4}-\d{2}-\d{2}$/.test(date) ? date : null,
    access: text('accessTerms'),
    modelTerms: text('modelTerms'),
  };
}

const isWebUrl = (text: string): boolean => /^https?:\/\/[^\s<>"]+$/i.test(text);

function readLicense(text: string): License {
  if (isWebUrl(text)) return { hub: 'other', url: text, label: text };
  const identifier = /^[A-Za-z0-9][A-Za-z0-9.+-]*$/.test(text);
  if (!identifier) return { hub: 'other', url: null, label: text };
  return { hub: text.toLowerCase(), url: `https://spdx.org/licenses/${text}`, label: text };
}

/** Training data of the model and of the gates, as far as the resource says, by their names. */
export function trainedOn({ dataset: { spec } }: Pick<Draft, 'dataset'>): { name: string; sets: string }[] {
  const models = [{ name: 'model', trainedOn: spec.model.trainedOn }, ...spec.quality.gates];
  return models.flatMap(({ name, trainedOn = [] }, i) => {
    const sets = trainedOn.map(({ dataset, split }) => (split ? `${dataset} (${split})` : dataset));
    return sets.length === 0 ? [] : [{ name: i === 0 ? name : `gate ${name}`, sets: listed(sets) }];
  });
}

/** Notices for anyone who trains on the data; `axes` are the names of the quota grid's axes. */
export function limitations(draft: Draft): string[] {
  const { axes, quality } = { axes: Object.keys(draft.dataset.spec.quota.axes), quality: draft.dataset.spec.quality };
  const gated = [...new Set(quality.gates.filter(hasModel).map((gate) => gate.axis))];
  const ungated = axes.filter((axis) => !gated.includes(axis));
  const gates =
    gated.length > 0
      ? `Labels are what was asked of the generator. Automatic classifiers agreed on ${listed(gated)}, with the thresholds stated; no expert has looked at the images.`
      : 'Labels are what was asked of the generator; no gate and no person has checked that the images show it.';
  return [
    gates,
    ...(gated.length > 0 && ungated.length > 0 ? [`Nothing has checked ${listed(ungated)}.`] : []),
    'The quota balances counts. It does not balance what the generator and the gates learned from their own training data: images of some groups may be less varied or less faithful, which the acceptance rate by cell hints at.',
    'Images that pass a gate resemble what the gate knows, so variety is lost where a gate is strict, and a model that is judged by a similar classifier looks better than it is.',
    copying(draft),
    'Do not estimate how often anything occurs in people from these counts: they are a design, not an observation.',
  ];
}

/** The sentence on copies of training images: what was done against them, and what was found. */
function copying({ dataset, plan, evidence }: Draft): string {
  const known = 'A generative model can reproduce images of its training data';
  const gates = plannedGates(dataset.spec.quality.gates, plan).flatMap(({ gate }) =>
    gate.against === 'Training'
      ? [`images whose features are nearer than ${short(gate.threshold!)} to those of a training image were refused`]
      : [],
  );
  const privacy = evidence?.groups.find(({ group }) => Object.keys(group).length === 0)?.privacy;
  const found = privacy
    ? [
        `${percent(privacy.nearTraining.value, 1)} of the images are nearer to a training image than 99 % of real images that it has not seen (1 % is expected)`,
      ]
    : [];
  if (gates.length + found.length === 0) return `${known}; whether this one does has not been tested here.`;
  return `${known}. Here ${[...gates, ...found].join('; ')}. What the encoder does not see, such as a copied detail, is not found so.`;
}

const short = (distance: number): string => String(Number(distance.toPrecision(3)));

/** `a, b and c`. */
export const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
