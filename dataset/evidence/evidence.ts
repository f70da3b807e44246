import type { Evidence, Fidelity, GroupEvidence, RefusedByGate } from '../../contract/schema/evidence.ts';
import { diversity } from './diversity.ts';
import { type Features, ownProducts, products, squaredDistances, takeRows, unitRows } from './features.ts';
import { frechet, IMAGES_PER_DIMENSION } from './frechet.ts';
import { combinerOf, type Group, groupName, isOf } from './groups.ts';
import { LEVEL } from './interval.ts';
import { kernelDistance } from './kernel.ts';
import { manifold } from './manifold.ts';
import { distancesOf, nearestOther } from './nearest.ts';
import { type CopySearch, createCopySearch, type Neighbour } from './privacy.ts';
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
  /** SHA-256 of the encoder. */
  readonly encoder: string;
  /** Decides which images are drawn: the plan's digest. */
  readonly seed: string;
  /** The images that a `Sampler` of the same seed keeps. */
  readonly synthetic: Described;
  /** Accepted images of a group, of which `synthetic` may hold a part. */
  readonly imagesOf: (group: Group) => number;
  readonly cells: readonly Group[];
  readonly reference: RealImages | null;
  readonly refused: readonly RefusedByGate[];
}

const SUSPICIOUS = 20;
/** Dimensions above which a logistic regression for each group takes minutes. */
const WIDE = 256;

type LeftOut = Evidence['leftOut'][number];

/** As `evidenceInSteps`, at once. */
export function evidenceOf(input: EvidenceInput): Evidence {
  const steps = evidenceSteps(input);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Computes the evidence with a pause after each group, in which the process answers signals, probes and requests. */
export async function evidenceInSteps(input: EvidenceInput): Promise<Evidence> {
  const steps = evidenceSteps(input);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await new Promise(setImmediate);
  }
}

function* evidenceSteps(input: EvidenceInput): Generator<void, Evidence> {
  const { reference, synthetic } = input;
  const { groups, cellsLeftOut, limits } = boundedGroups(input.cells);
  const real = reference && realOf(reference, input.cells, limits);
  const leftOut: LeftOut[] = [];
  if (cellsLeftOut > 0) leftOut.push({ group: {}, part: 'cells', reason: `${cellsLeftOut} cells are too many` });
  if (reference && !canJudgeCopies(reference, limits)) {
    const counts = `${reference.training.features.rows} training and ${reference.heldOut.features.rows} held-out images`;
    leftOut.push({ group: {}, part: 'privacy', reason: `${counts} in the reference, fewer than ${limits.minimum}` });
  }
  const tools: Tools = {
    limits,
    seed: input.seed,
    drawSynthetic: drawerOf(synthetic, input.seed, limits),
    drawReal: real && drawerOf(real.images, input.seed, limits),
    searchCopies:
      reference && canJudgeCopies(reference, limits) ? copySearchOf(reference, synthetic, input.seed) : null,
  };
  const found: GroupFindings[] = [];
  for (const group of groups) {
    found.push(ofGroup(group, input.imagesOf(group), tools));
    yield;
  }
  return rounded({
    apiVersion: 'cohortfarm.dev/evidence/v1',
    encoder: { sha256: input.encoder, dimensions: synthetic.features.dimensions },
    reference: reference && {
      sha256: reference.sha256,
      training: reference.training.features.rows,
      heldOut: reference.heldOut.features.rows,
    },
    against: real?.against ?? null,
    limits: { ...limits, level: LEVEL },
    groups: found.flatMap(({ evidence }) => evidence ?? []),
    leftOut: [...leftOut, ...found.flatMap((one) => one.leftOut)],
    suspicious: mostSuspicious(found[0]?.neighbours ?? [], synthetic.keys, reference?.training.keys ?? []),
    refused: [...input.refused],
  });
}

interface Tools {
  readonly limits: Limits;
  readonly seed: string;
  readonly drawSynthetic: Draw;
  readonly drawReal: Draw | null;
  readonly searchCopies: CopySearch | null;
}

const randomFor = (seed: string, ...what: readonly string[]): Random =>
  randomOf(`cohortfarm evidence ${seed} ${what.join(' ')}`);

const copySearchOf = ({ training, heldOut }: RealImages, { features }: Described, seed: string): CopySearch =>
  createCopySearch({ training: training.features, heldOut: heldOut.features }, features, randomFor(seed, 'copies'));

interface GroupFindings {
  readonly evidence: GroupEvidence | null;
  readonly leftOut: readonly LeftOut[];
  readonly neighbours: readonly Neighbour[];
}

/**
 * The figures of one group. Each measure has random numbers of its own, so that it does not depend on which others are computed.
 * A copy may carry another label than the image that it copies: all real images are searched for every group.
 */
function ofGroup(
  group: Group,
  images: number,
  { limits, seed, drawSynthetic, drawReal, searchCopies }: Tools,
): GroupFindings {
  const random = (measure: string): Random => randomFor(seed, groupName(group), measure);
  const left = (part: LeftOut['part'], count: number, what: string): LeftOut => ({
    group: { ...group },
    part,
    reason: `${count} ${what}, fewer than ${limits.minimum}`,
  });
  const { features, rows } = drawSynthetic(group);
  if (features.rows < limits.minimum)
    return { evidence: null, leftOut: [left('all', images, 'images')], neighbours: [] };
  const unit = unitRows(features);
  const cosines = products(unit, unit);
  const others = nearestOther(cosines);
  const copies = searchCopies?.(rows, others, random('privacy')) ?? null;
  const real = drawReal?.(group).features ?? null;
  const enough = real !== null && real.rows >= limits.minimum;
  return {
    evidence: {
      group: { ...group },
      images,
      used: features.rows,
      diversity: { ...diversity(features, random('diversity'), cosines), nearestOther: distancesOf(others) },
      fidelity: enough ? fidelityOf(real, features, random('fidelity')) : null,
      privacy: copies?.privacy ?? null,
    },
    leftOut: real && !enough ? [left('fidelity', real.rows, 'real images')] : [],
    neighbours: copies?.neighbours ?? [],
  };
}

/**
 * The real images that fidelity is measured against: held-out ones, which a copy of the training images is not near to. Images
 * of groups that the cohort does not have are left out.
 */
function realOf(
  { heldOut, training }: RealImages,
  cells: readonly Group[],
  { minimum }: Limits,
): { images: Described; against: 'HeldOut' | 'Training' } {
  const images = withinGrid(heldOut, cells);
  return images.features.rows >= minimum
    ? { images, against: 'HeldOut' }
    : { images: withinGrid(training, cells), against: 'Training' };
}

/**
 * The images of which some cell has the values, on the axes that the reference knows. One that shows just the findings of a
 * combination of the grid is of that one, as synthetic images are, and not of its single findings.
 */
function withinGrid({ features, keys, groups: named }: Described, cells: readonly Group[]): Described {
  const combine = combinerOf(cells);
  const groups = named.map(combine);
  const known = new Map<string, boolean>();
  const isWithin = (group: Group): boolean => {
    const name = groupName(group);
    const within =
      known.get(name) ??
      cells.some((cell) =>
        Object.entries(cell).every(([axis, value]) => !Object.hasOwn(group, axis) || isOf({ [axis]: value }, group)),
      );
    known.set(name, within);
    return within;
  };
  const rows = groups.flatMap((group, i) => (isWithin(group) ? [i] : []));
  if (rows.length === groups.length) return { features, keys, groups };
  return { features: takeRows(features, rows), keys: rows.map((i) => keys[i]!), groups: rows.map((i) => groups[i]!) };
}

const canJudgeCopies = ({ training, heldOut }: RealImages, { minimum }: Limits): boolean =>
  Math.min(training.features.rows, heldOut.features.rows) >= minimum;

/** Draws the images that the figures of a group are computed from. `rows` says which they are. */
type Draw = (group: Group) => { readonly features: Features; readonly rows: readonly number[] };

/** Takes the first images of a group by priority. */
function drawerOf({ features, keys, groups }: Described, seed: string, limits: Limits): Draw {
  const priorities = keys.map((key) => priorityOf(seed, key));
  const order = keys.map((_, i) => i).sort((a, b) => priorities[a]! - priorities[b]! || (keys[a]! < keys[b]! ? -1 : 1));
  return (group) => {
    const rows = order.filter((i) => isOf(group, groups[i]!)).slice(0, limitOf(group, limits));
    return { features: takeRows(features, rows), rows };
  };
}

function fidelityOf(features: Features, synthetic: Features, random: Random): Fidelity {
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
    separability: dimensions > WIDE ? null : separability(features, synthetic, random),
  };
}

const mostSuspicious = (
  neighbours: readonly Neighbour[],
  keys: readonly string[],
  images: readonly string[],
): Evidence['suspicious'] =>
  neighbours
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, SUSPICIOUS)
    .map(({ row, place, distance }) => ({ key: keys[row]!, distance, image: images[place]! }));

/** Numbers to six significant digits, all the way down. */
function rounded<T>(value: T): T {
  if (typeof value === 'number') return Number(value.toPrecision(6)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)])) as T;
}
