import type { Evidence, Fidelity, GroupEvidence } from '../../contract/schema/evidence.ts';
import { diversity } from './diversity.ts';
import { type Features, ownProducts, products, squaredDistances, takeRows, unitRows } from './features.ts';
import { frechet, IMAGES_PER_DIMENSION } from './frechet.ts';
import { type Group, groupName, isOf } from './groups.ts';
import { LEVEL } from './interval.ts';
import { kernelDistance } from './kernel.ts';
import { manifold } from './manifold.ts';
import { distancesOf, nearestOther } from './nearest.ts';
import { type PrivacyFindings, privacy } from './privacy.ts';
import { type Random, randomOf } from './random.ts';
import { boundedGroups, type Limits, limitOf, priorityOf } from './sample.ts';
import { separability } from './separability.ts';

/** The evidence about a cohort, from features in memory (pure): docs/evidence.md says what each figure means. */

/** Features and what each row is of. */
export interface Described {
  readonly features: Features;
  /** Keys of synthetic images, SHA-256 of real ones. */
  readonly keys: readonly string[];
  readonly groups: readonly Group[];
}

export interface RealImages {
  readonly sha256: string;
  readonly training: Described;
  readonly heldOut: Described;
}

export interface EvidenceInput {
  readonly encoder: { readonly name: string; readonly sha256: string };
  /** Decides which images are drawn: the plan's digest. */
  readonly seed: string;
  /** The images that a `Sampler` of the same seed keeps. */
  readonly synthetic: Described;
  /** Accepted images of a group, of which `synthetic` may hold a part. */
  readonly imagesOf: (group: Group) => number;
  readonly cells: readonly Group[];
  readonly reference: RealImages | null;
}

const SUSPICIOUS = 20;

type LeftOut = Evidence['leftOut'][number];

export function evidenceOf(input: EvidenceInput): Evidence {
  const { reference, synthetic } = input;
  const leftOut: LeftOut[] = [];
  const bounded = boundedGroups(input.cells);
  const { limits } = bounded;
  const real = reference && realOf(reference, limits);
  const drawSynthetic = drawerOf(synthetic, input.seed, limits);
  const drawReal = real && drawerOf(real.images, input.seed, limits);
  if (bounded.cellsLeftOut > 0)
    leftOut.push({ group: {}, part: 'cells', reason: `${bounded.cellsLeftOut} cells are too many` });
  let suspicious: Evidence['suspicious'] = [];
  const groups = bounded.groups.flatMap((group): GroupEvidence[] => {
    const random = randomOf(`cohortfarm evidence ${input.seed} ${groupName(group)}`);
    const skip = (part: LeftOut['part'], reason: string): null => {
      leftOut.push({ group: { ...group }, part, reason });
      return null;
    };
    const { features, places } = drawSynthetic(group);
    const images = input.imagesOf(group);
    if (features.rows < limits.minimum) {
      skip('all', `${images} images, fewer than ${limits.minimum}`);
      return [];
    }
    const found = reference && canJudgeCopies(reference, limits) ? privacyOf(reference, features, random) : null;
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
        fidelity:
          drawReal &&
          fidelityOf(drawReal(group).features, features, limits, random, (reason) => skip('fidelity', reason)),
        privacy: found?.privacy ?? null,
      },
    ];
  });
  if (reference && !canJudgeCopies(reference, limits)) {
    const counts = `${reference.training.features.rows} training and ${reference.heldOut.features.rows} held-out images`;
    leftOut.push({ group: {}, part: 'privacy', reason: `${counts} in the reference, fewer than ${limits.minimum}` });
  }
  return rounded({
    apiVersion: 'cohortfarm.dev/evidence/v1',
    encoder: { ...input.encoder, dimensions: synthetic.features.dimensions },
    reference: reference && {
      sha256: reference.sha256,
      training: reference.training.features.rows,
      heldOut: reference.heldOut.features.rows,
    },
    against: real?.against ?? null,
    limits: { ...limits, level: LEVEL },
    groups,
    leftOut,
    suspicious,
  });
}

/** The real images that fidelity is measured against: held-out ones, which a copy of the training images is not near to. */
function realOf(
  { heldOut, training }: RealImages,
  { minimum }: Limits,
): { images: Described; against: 'HeldOut' | 'Training' } {
  return heldOut.features.rows >= minimum
    ? { images: heldOut, against: 'HeldOut' }
    : { images: training, against: 'Training' };
}

const canJudgeCopies = ({ training, heldOut }: RealImages, { minimum }: Limits): boolean =>
  Math.min(training.features.rows, heldOut.features.rows) >= minimum;

interface Drawn {
  readonly features: Features;
  /** Rows that they were. */
  readonly places: readonly number[];
}

/** Draws the images that the figures of a group are computed from: the first of it by priority. */
function drawerOf({ features, keys, groups }: Described, seed: string, limits: Limits): (group: Group) => Drawn {
  const priorities = keys.map((key) => priorityOf(seed, key));
  const order = keys.map((_, i) => i).sort((a, b) => priorities[a]! - priorities[b]! || (keys[a]! < keys[b]! ? -1 : 1));
  return (group) => {
    const places = order.filter((i) => isOf(group, groups[i]!)).slice(0, limitOf(group, limits));
    return { features: takeRows(features, places), places };
  };
}

/** Says why there is no figure. */
type Skip = (reason: string) => null;

function fidelityOf(
  features: Features,
  synthetic: Features,
  { minimum }: Limits,
  random: Random,
  skip: Skip,
): Fidelity | null {
  if (features.rows < minimum) return skip(`${features.rows} real images, fewer than ${minimum}`);
  const { dimensions } = features;
  const tables = {
    aa: products(features, features),
    bb: products(synthetic, synthetic),
    ab: products(features, synthetic),
  };
  const [ownReal, ownSynthetic] = [ownProducts(features), ownProducts(synthetic)];
  const enough = Math.min(features.rows, synthetic.rows) >= IMAGES_PER_DIMENSION * dimensions;
  return {
    real: features.rows,
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

/** A copy may carry another label than the image that it copies, so all real images are searched for every group. */
const privacyOf = ({ training, heldOut }: RealImages, synthetic: Features, random: Random): PrivacyFindings =>
  privacy({ synthetic, training: training.features, heldOut: heldOut.features }, random);

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
