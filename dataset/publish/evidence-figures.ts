import { grouped } from '../../contract/format.ts';
import type { Agreement } from '../../contract/schema/agreement.ts';
import type { Distances, Estimate, Evidence, GroupEvidence } from '../../contract/schema/evidence.ts';

/** The evidence about a cohort as rows of text, for the card, the report and the command line. */

/** A figure and how it is read; `value` is null where a group has none. */
export interface Figure {
  readonly name: string;
  readonly value: (found: GroupEvidence) => string | null;
  readonly meaning: string;
}

/** Three significant digits. */
export const digits = (value: number): string => String(Number(value.toPrecision(3)));

/** `0.312 (0.29 to 0.334)`. */
export const shown = ({ value, interval }: Estimate): string =>
  interval ? `${digits(value)} (${digits(interval[0])} to ${digits(interval[1])})` : digits(value);

const distances = ({ smallest, low, median }: Distances): string =>
  `${digits(smallest)} / ${digits(low)} / ${digits(median)}`;

const orNull = (estimate: Estimate | null | undefined): string | null => (estimate ? shown(estimate) : null);

export const FIGURES: readonly Figure[] = [
  {
    name: 'FID, extrapolated',
    value: ({ fidelity }) => orNull(fidelity?.fidInfinity),
    meaning: 'distance from the real images; 0 is best',
  },
  {
    name: 'FID',
    value: ({ fidelity }) => (fidelity?.fid === null || !fidelity ? null : digits(fidelity.fid)),
    meaning: 'the same as others compute it, too large for few images',
  },
  { name: 'KID', value: ({ fidelity }) => orNull(fidelity?.kid), meaning: 'another such distance; 0 is best' },
  {
    name: 'Precision',
    value: ({ fidelity }) => orNull(fidelity?.precision),
    meaning: 'share that look like some real image',
  },
  {
    name: 'Recall',
    value: ({ fidelity }) => orNull(fidelity?.recall),
    meaning: 'share of real images that look like some synthetic one',
  },
  {
    name: 'Density',
    value: ({ fidelity }) => orNull(fidelity?.density),
    meaning: 'as precision, robust; 1 is expected',
  },
  {
    name: 'Coverage',
    value: ({ fidelity }) => orNull(fidelity?.coverage),
    meaning: 'share of real images near which a synthetic one lies',
  },
  {
    name: 'Real against synthetic (AUROC)',
    value: ({ fidelity }) => orNull(fidelity?.separability),
    meaning: '0.5 where a classifier cannot separate them',
  },
  {
    name: 'Mean distance of two images',
    value: ({ diversity }) => shown(diversity.meanDistance),
    meaning: 'variety',
  },
  {
    name: 'Vendi score',
    value: ({ diversity }) => digits(diversity.vendi),
    meaning: 'effective number of different images',
  },
  {
    name: 'Distance to the nearest other',
    value: ({ diversity }) => distances(diversity.nearestOther),
    meaning: 'smallest / 1 % / median',
  },
  {
    name: 'Distance to training images',
    value: ({ privacy }) => (privacy ? distances(privacy.toTraining) : null),
    meaning: 'smallest / 1 % / median',
  },
  {
    name: 'The same of held-out images',
    value: ({ privacy }) => (privacy ? distances(privacy.heldOutToTraining) : null),
    meaning: 'what is expected without copies',
  },
  {
    name: 'Near a training image',
    value: ({ privacy }) => orNull(privacy?.nearTraining),
    meaning: 'share nearer than 99 % of held-out images; 0.01 is expected',
  },
  {
    name: 'Nearer to training than to held-out',
    value: ({ privacy }) => orNull(privacy?.nearerToTraining),
    meaning: '0.5 is expected',
  },
  {
    name: 'Authenticity',
    value: ({ privacy }) =>
      privacy && `${shown(privacy.authenticity)}; held-out ${digits(privacy.heldOutAuthenticity.value)}`,
    meaning: 'share that is no copy by Alaa et al. 2022; that of held-out images is expected',
  },
  {
    name: 'Near duplicates',
    value: ({ privacy }) => orNull(privacy?.duplicates),
    meaning: 'share as near to another image of the cohort',
  },
];

const GROUP_NAMES = new Set([
  'FID, extrapolated',
  'KID',
  'Precision',
  'Coverage',
  'Mean distance of two images',
  'Near a training image',
]);

/** The figures that tables of groups have. */
export const GROUP_FIGURES = FIGURES.filter(({ name }) => GROUP_NAMES.has(name));

/** A table as a whole and by the values of one axis. */
export interface GroupTable {
  readonly caption: string;
  readonly head: readonly string[];
  /** The first names the group, the others are numbers. */
  readonly rows: readonly (readonly string[])[];
}

export const refusedTables = ({ refused = [] }: Evidence): GroupTable[] =>
  refused.map(({ gate, against, threshold, groups }) => ({
    caption:
      `Refused by ${gate} as nearer than ${digits(threshold)} to ` +
      `${against === 'Training' ? 'a training image' : 'an earlier image of the shard'}; distances are smallest / 1 % / median`,
    head: ['Group', 'Refused', 'Distance of refused', 'Of those that others rejected', 'Of accepted'],
    rows: groups
      .filter(({ group }) => Object.keys(group).length < 2)
      .map((one) => [
        groupText(one.group),
        grouped(one.refused),
        ...[one.ofRefused, one.ofOthers, one.ofAccepted].map((found) =>
          found.distances ? `${distances(found.distances)} (${grouped(found.images)})` : '–',
        ),
      ]),
  }));

/** Verdicts of a gate that refuses nothing on the accepted images. */
export const agreementTables = (found: readonly Agreement[]): GroupTable[] =>
  found.map(({ gate, groups, ...all }) => ({
    caption: `Agreement of ${gate} with the prompts`,
    head: ['Group', 'Images', 'Agreed', 'Share'],
    rows: [{ group: {}, ...all }, ...groups].map(({ group, images, agreed, share }) => [
      groupText(group),
      grouped(images),
      grouped(agreed),
      share ? shown(share) : '–',
    ]),
  }));

/** `sex=female, race=ASIAN`, or `all`. */
export const groupText = (group: Readonly<Record<string, string>>): string =>
  Object.entries(group)
    .map(([axis, value]) => `${axis}=${value}`)
    .join(', ') || 'all';

/** The basis of the evidence, in words. */
export function basisOf({ encoder, reference, against, limits }: Evidence): string {
  const compared = reference
    ? `${reference.training} training and ${reference.heldOut} held-out real images; fidelity is measured against the ` +
      `${against === 'HeldOut' ? 'held-out' : 'training'} ones`
    : 'no real images: the spec names no reference';
  return (
    `Computed from ${encoder.dimensions} features of an encoder (SHA-256 ${encoder.sha256.slice(0, 12)}) and ${compared}. ` +
    `At most ${limits.images} images are used, ${limits.groupImages} of a group, drawn by their keys; groups have at least ` +
    `${limits.minimum}. Intervals are at ${100 * limits.level} %, from resampled images.`
  );
}
