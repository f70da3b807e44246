import { grouped, percent } from '../../contract/format.ts';
import type { Evidence, GroupEvidence } from '../../contract/schema/evidence.ts';
import { MAX_HEADLINE } from '../../contract/schema/outcome.ts';
import { digits, FIGURES, groupText, shown } from './evidence-figures.ts';

/** The evidence about a cohort in sentences, for Croissant, and in one line each, for the status of a resource. */

const isWhole = ({ group }: { readonly group: Readonly<Record<string, string>> }): boolean =>
  Object.keys(group).length === 0;

/** The figures of all images that have one. */
const figures = (all: GroupEvidence, names: readonly string[]): string =>
  FIGURES.filter(({ name }) => names.includes(name))
    .flatMap(({ name, value }) => {
      const found = value(all);
      return found === null ? [] : [`${name} ${found}`];
    })
    .join(', ');

const FIDELITY = ['FID, extrapolated', 'FID', 'KID', 'Precision', 'Recall', 'Density', 'Coverage'];
const SEPARABILITY = 'Real against synthetic (AUROC)';
const VARIETY = ['Mean distance of two images', 'Vendi score'];

/** Headlines: fidelity, variety and privacy of all images, in at most four short lines. */
export function headlines({ groups, refused }: Evidence): string[] {
  const all = groups.find(isWhole);
  const lines = all ? [...wholeLines(all), ...refusedLines(refused)] : refusedLines(refused);
  return lines.map((line) => (line.length > MAX_HEADLINE ? `${line.slice(0, MAX_HEADLINE - 1)}…` : line));
}

function wholeLines(all: GroupEvidence): string[] {
  const { fidelity, privacy } = all;
  const distance = fidelity && (fidelity.fidInfinity ? 'FID, extrapolated' : 'KID');
  return [
    ...(distance ? [`${figures(all, [distance])} against ${grouped(fidelity.real)} real images`] : []),
    figures(all, VARIETY),
    ...(privacy
      ? [
          `Distance to the nearest training image ${digits(privacy.toTraining.median)}, of held-out images ${digits(privacy.heldOutToTraining.median)} (medians); ${percent(privacy.nearTraining.value, 1)} near (1 % expected)`,
        ]
      : []),
  ];
}

const refusedLines = (refused: Evidence['refused'] = []): string[] => {
  const counts = refused.map(({ gate, groups }) => `${grouped(groups.find(isWhole)?.refused ?? 0)} by ${gate}`);
  return counts.length === 0 ? [] : [`Refused as copies: ${counts.join(', ')}`];
};

/** Figures of all images, in sentences. */
export function overallWords({ groups, against }: Evidence): string[] {
  const all = groups.find(isWhole);
  if (!all) return [];
  const real =
    against === 'HeldOut' ? 'real images that the generator has not seen' : 'training images of the generator';
  return [
    ...(all.fidelity
      ? [
          `Fidelity of all images, against ${grouped(all.fidelity.real)} ${real}, with 95 % intervals: ${figures(all, [...FIDELITY, SEPARABILITY])}.`,
        ]
      : ['Fidelity was not measured: it takes real images to compare with.']),
    `Variety of all images: ${figures(all, VARIETY)}.`,
  ];
}

interface Compared {
  readonly name: string;
  readonly value: (
    found: GroupEvidence,
  ) => { readonly value: number; readonly interval: [number, number] | null } | null;
}

const COMPARED: readonly Compared[] = [
  { name: 'KID', value: ({ fidelity }) => fidelity?.kid ?? null },
  { name: 'Coverage', value: ({ fidelity }) => fidelity?.coverage ?? null },
  { name: 'Mean distance of two images', value: ({ diversity }) => diversity.meanDistance },
  { name: 'Share near a training image', value: ({ privacy }) => privacy?.nearTraining ?? null },
];

/** For each figure the groups of one axis in which it is lowest and highest. */
export function groupWords({ groups, leftOut }: Evidence): string[] {
  const single = groups.filter(({ group }) => Object.keys(group).length === 1);
  const lines = COMPARED.flatMap(({ name, value }) => {
    const found = single.flatMap((one) => {
      const estimate = value(one);
      return estimate ? [{ text: `${groupText(one.group)} (${shown(estimate)})`, value: estimate.value }] : [];
    });
    if (found.length < 2) return [];
    const [low, high] = [
      found.reduce((a, b) => (b.value < a.value ? b : a)),
      found.reduce((a, b) => (b.value > a.value ? b : a)),
    ];
    return low.value === high.value ? [] : [`${name} is lowest for ${low.text} and highest for ${high.text}`];
  });
  const missing = leftOut.length === 0 ? '' : ` ${grouped(leftOut.length)} groups had too few images for some figures.`;
  return lines.length === 0 ? [] : [`Differences between groups of one axis: ${lines.join('; ')}.${missing}`];
}

/** Likeness to training images, in sentences. */
export function privacyWords({ groups, refused }: Evidence): string[] {
  const privacy = groups.find(isWhole)?.privacy;
  return [
    ...(privacy
      ? [
          `Cosine distance of features to the nearest of ${grouped(privacy.training)} training images: median ${digits(privacy.toTraining.median)}, smallest ${digits(privacy.toTraining.smallest)}; of ${grouped(privacy.heldOut)} real images that the generator has not seen ${digits(privacy.heldOutToTraining.median)} and ${digits(privacy.heldOutToTraining.smallest)}. Authenticity ${shown(privacy.authenticity)}, of those ${digits(privacy.heldOutAuthenticity.value)}.`,
        ]
      : []),
    ...refusedLines(refused).map((line) => `${line}.`),
  ];
}
