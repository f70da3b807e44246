import type { Evidence, Fidelity, GroupEvidence } from '../../contract/schema/evidence.ts';
import { diversity } from './diversity.ts';
import { type Features, ownProducts, products, squaredDistances, takeRows, unitRows } from './features.ts';
import { frechet, IMAGES_PER_DIMENSION } from './frechet.ts';
import { type Group, groupName, groupsOf, isOf } from './groups.ts';
import { LEVEL } from './interval.ts';
import { kernelDistance } from './kernel.ts';
import { manifold } from './manifold.ts';
import { distancesOf, nearestOther } from './nearest.ts';
import { type PrivacyFindings, privacy } from './privacy.ts';
import { type Random, randomOf, sampleOf } from './random.ts';
import { separability } from './separability.ts';

/** The evidence about a cohort, from features in memory (pure): docs/evidence.md says what each figure means. */

/** Features with what is known of each row. */
export interface Described {
  readonly features: Features;
  /** Keys of synthetic images, SHA-256 of real ones. */
  readonly keys: readonly string[];
  readonly groups: readonly Group[];
}

export interface Reference {
  readonly sha256: string;
  readonly training: Described;
  readonly heldOut: Described;
}

export interface EvidenceInput {
  readonly encoder: { readonly name: string; readonly sha256: string };
  /** Decides which images are drawn: the plan's digest. */
  readonly seed: string;
  readonly synthetic: Described;
  /** Accepted images of a group, of which `synthetic` may hold a part. */
  readonly imagesOf: (group: Group) => number;
  readonly cells: readonly Group[];
  readonly reference: Reference | null;
}

/** Most images that a figure is computed from, of the whole and of a group, and the fewest. */
export const LIMITS = { images: 2000, groupImages: 500, minimum: 50 } as const;

const SUSPICIOUS = 20;

type LeftOut = Evidence['leftOut'][number];

export function evidenceOf(input: EvidenceInput): Evidence {
  const { reference, synthetic } = input;
  const leftOut: LeftOut[] = [];
  const real = reference && realOf(reference);
  let suspicious: Evidence['suspicious'] = [];
  const groups = groupsOf(input.cells).flatMap((group): GroupEvidence[] => {
    const random = randomOf(`cohortfarm evidence ${input.seed} ${groupName(group)}`);
    const skip = (part: LeftOut['part'], reason: string): null => {
      leftOut.push({ group: { ...group }, part, reason });
      return null;
    };
    const places = drawn(synthetic, group, random);
    const images = input.imagesOf(group);
    if (places.length < LIMITS.minimum) {
      skip('all', `${images} images, fewer than ${LIMITS.minimum}`);
      return [];
    }
    const features = takeRows(synthetic.features, places);
    const found = reference && privacyOf(reference, group, features, random, (reason) => skip('privacy', reason));
    if (reference && found && Object.keys(group).length === 0)
      suspicious = mostSuspicious(found, (i) => synthetic.keys[places[i]!]!, reference.training.keys);
    return [
      {
        group: { ...group },
        images,
        used: places.length,
        diversity: {
          ...diversity(features, random),
          nearestOther: distancesOf(nearestOther(unitRows(features)).distances),
        },
        fidelity: real && fidelityOf(real.images, group, features, random, (reason) => skip('fidelity', reason)),
        privacy: found && found.privacy,
      },
    ];
  });
  return rounded({
    apiVersion: 'cohortfarm.dev/evidence/v1',
    encoder: { ...input.encoder, dimensions: synthetic.features.dimensions },
    reference: reference && {
      sha256: reference.sha256,
      training: reference.training.features.rows,
      heldOut: reference.heldOut.features.rows,
    },
    against: real && real.against,
    limits: { ...LIMITS, level: LEVEL },
    groups,
    leftOut,
    suspicious,
  });
}

/** The real images that fidelity is measured against: held-out ones, which a copy of the training images is not near to. */
function realOf({ heldOut, training }: Reference): { images: Described; against: 'HeldOut' | 'Training' } {
  return heldOut.features.rows >= LIMITS.minimum
    ? { images: heldOut, against: 'HeldOut' }
    : { images: training, against: 'Training' };
}

/** Places of the images of a group, as many as its figures are computed from. */
function drawn({ groups }: Described, group: Group, random: Random): Uint32Array {
  const limit = Object.keys(group).length === 0 ? LIMITS.images : LIMITS.groupImages;
  const places = groups.flatMap((image, i) => (isOf(group, image) ? [i] : []));
  return sampleOf(places.length, limit, random).map((i) => places[i]!);
}

/** Says why there is no figure. */
type Skip = (reason: string) => null;

function fidelityOf(real: Described, group: Group, synthetic: Features, random: Random, skip: Skip): Fidelity | null {
  const places = drawn(real, group, random);
  if (places.length < LIMITS.minimum) return skip(`${places.length} real images, fewer than ${LIMITS.minimum}`);
  const features = takeRows(real.features, places);
  const { dimensions } = features;
  const tables = {
    aa: products(features, features),
    bb: products(synthetic, synthetic),
    ab: products(features, synthetic),
  };
  const [ownReal, ownSynthetic] = [ownProducts(features), ownProducts(synthetic)];
  const enough = Math.min(features.rows, synthetic.rows) >= IMAGES_PER_DIMENSION * dimensions;
  return {
    real: places.length,
    ...(enough ? frechet(features, synthetic, random) : { fid: null, fidInfinity: null }),
    kid: kernelDistance(tables, dimensions, random),
    ...manifold(
      {
        realToReal: squaredDistances(tables.aa, ownReal, ownReal),
        syntheticToSynthetic: squaredDistances(tables.bb, ownSynthetic, ownSynthetic),
        realToSynthetic: squaredDistances(tables.ab, ownReal, ownSynthetic),
      },
      random,
    ),
    separability: separability(features, synthetic, random),
  };
}

function privacyOf(
  { training, heldOut }: Reference,
  group: Group,
  synthetic: Features,
  random: Random,
  skip: Skip,
): PrivacyFindings | null {
  // A copy may carry another label than the image that it copies, so all real images are searched for every group.
  if (training.features.rows < LIMITS.minimum || heldOut.features.rows < LIMITS.minimum) {
    if (Object.keys(group).length > 0) return null;
    const counts = `${training.features.rows} training and ${heldOut.features.rows} held-out images`;
    return skip(`${counts} in the reference, fewer than ${LIMITS.minimum}`);
  }
  return privacy({ synthetic, training: training.features, heldOut: heldOut.features }, random);
}

function mostSuspicious(
  { nearest: { distances, places: neighbours }, places }: PrivacyFindings,
  keyOf: (i: number) => string,
  images: readonly string[],
): Evidence['suspicious'] {
  const order = Uint32Array.from(distances, (_, i) => i).sort((a, b) => distances[a]! - distances[b]!);
  return Array.from(order.subarray(0, SUSPICIOUS), (i) => {
    return { key: keyOf(places[i]!), distance: distances[i]!, image: images[neighbours[i]!]! };
  });
}

/** Numbers to six significant digits, all the way down. */
function rounded<T>(value: T): T {
  if (typeof value === 'number') return Number(value.toPrecision(6)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)])) as T;
}

