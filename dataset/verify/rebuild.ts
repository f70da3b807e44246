import { canonicalJson, digestOf } from '../../contract/digest.ts';
import { type Allocation, allocate, followsFromResource } from '../../contract/plan/allocate.ts';
import { buildGrid, type Grid } from '../../contract/plan/grid.ts';
import { identityOf, type PlannedQuality, plannedGates } from '../../contract/plan/identity.ts';
import { originOf } from '../../contract/plan/origin.ts';
import { membersOf } from '../../contract/plan/pairs.ts';
import { type Plan, type Sample, samplesBetween, usedImpressions } from '../../contract/plan/plan.ts';
import { seedKeys } from '../../contract/plan/seeds.ts';
import { SpecError } from '../../contract/schema/issue.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { Quota } from '../../contract/schema/spec.ts';
import { parseDataset } from '../../contract/validate/parse.ts';

/** The plan of a published dataset, rebuilt from its resource: enough to say what every sample was to be. */

export interface Rebuilt {
  readonly plan: Pick<Plan, 'seedKeys' | 'spec' | 'allocation' | 'origin' | 'gates'>;
  /** Cell ids in grid order. */
  readonly cells: readonly string[];
  readonly samples: number;
  /** Samples by index; without prompts and exact numbers where a Table gave them. */
  samplesBetween(start: number, end: number): Sample[];
  readonly fromTable: boolean;
  /** The place at which the resource asks for another plan than the manifest names. */
  readonly faults: readonly string[];
}

/** Contradictions of a manifest with itself, or with the plan that it describes. */
export function rebuildPlan(manifest: Manifest): Rebuilt | string {
  if (digestOf(manifest.plan) !== manifest.planDigest) return 'planDigest is not the digest of plan';
  try {
    parseDataset(manifest.dataset);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return `dataset is not valid: ${error.message.split('\n').slice(0, 3).join('; ')}`;
  }
  const { spec } = manifest.dataset;
  const whole = buildGrid(spec.quota);
  const chosen = whole.cells.filter((cell) => manifest.plan.quotas[cell.id] !== undefined);
  if (chosen.length !== Object.keys(manifest.plan.quotas).length)
    return 'plan.quotas names cells that the grid of the dataset does not have';
  const cells = chosen.map((cell, ordinal) => ({ ...cell, ordinal }));
  const quotas = cells.map((cell) => manifest.plan.quotas[cell.id]!);
  const unpaired = pairsFault({ ...whole, cells }, quotas, spec.quota);
  if (unpaired !== null) return unpaired;
  const allocation = { grid: { ...whole, cells }, quotas, shares: quotas, cohort: null, table: null };
  const plan = {
    spec,
    gates: plannedGates(spec.quality.gates, manifest.plan).map(({ gate }) => gate),
    allocation,
    origin: originOf(manifest),
    seedKeys: seedKeys(spec.seed),
    impressions: (manifest.plan.impressions ?? {}) as Plan['impressions'],
  };
  return {
    plan,
    cells: cells.map((cell) => cell.id),
    samples: quotas.reduce((sum, quota) => sum + quota, 0),
    samplesBetween: (start, end) => samplesBetween(plan, start, end),
    fromTable: spec.quota.allocation.strategy === 'Table',
    faults: identityFaults(manifest, allocation),
  };
}

/** Why the quotas of a plan make no pairs as the resource asks for, or null. */
function pairsFault(grid: Grid, quotas: readonly number[], quota: Quota): string | null {
  try {
    const members = membersOf(grid, quota);
    const uneven = members.find((cells) => cells.some((cell) => quotas[cell] !== quotas[cells[0]!]));
    return uneven ? `plan.quotas differ within the pairs of cell ${grid.cells[uneven[0]!]!.id}` : null;
  } catch (error) {
    if (error instanceof SpecError) return error.message;
    throw error;
  }
}

/**
 * The plan against the one that the resource asks for. What a resource does not hold (digests of gates, thresholds that follow from quantiles, phrases of a file, the
 * rows of a table, the quotas that follow from a cohort) is taken from the plan.
 */
function identityFaults(manifest: Manifest, allocation: Allocation): string[] {
  const { dataset, model, plan } = manifest;
  const { spec } = dataset;
  const { gates = [], encoder, reference } = plan.quality as PlannedQuality;
  if (gates.length !== spec.quality.gates.length)
    return [`dataset.spec.quality has ${spec.quality.gates.length} gates, plan.quality ${gates.length}`];
  const { scheduler, height, width } = model;
  try {
    const identity = identityOf(dataset, {
      allocation: expectedAllocation(manifest, allocation),
      origin: originOf(manifest),
      sampling: { ...spec.model.sampling, scheduler, height, width },
      impressions: usedImpressions(spec, allocation, plan.impressions as Plan['impressions']),
      modelDigest: model.digest,
      gates: plannedGates(spec.quality.gates, plan),
      encoderDigest: encoder,
      referenceDigest: reference,
    });
    const expected: Record<string, unknown> = { ...identity, ...(plan.table !== undefined && { table: plan.table }) };
    return [
      ...differences(expected, asToday(plan)),
      ...differences({ scheduler, height, width }, spec.model.sampling, 'dataset.spec.model.sampling.'),
    ];
  } catch (error) {
    if (error instanceof SpecError) return error.message.split('\n');
    throw error;
  }
}

/** For a strategy whose quotas follow from the resource alone, those. */
function expectedAllocation({ dataset: { spec } }: Manifest, stated: Allocation): Allocation {
  return followsFromResource(spec.quota) ? allocate(spec.quota) : stated;
}

/** `onExhausted` decides no byte; plans of former versions say what it was. */
const asToday = (plan: Manifest['plan']): Record<string, unknown> => ({
  ...plan,
  quality: { ...(plan.quality as object), onExhausted: 'Fail' },
});

/** Fields that are there and differ: in `found` those of which `expected` says what they are. */
function differences(
  expected: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
  path = 'plan.',
): string[] {
  const isPlan = path === 'plan.';
  const names = isPlan ? [...new Set([...Object.keys(expected), ...Object.keys(found)])] : Object.keys(expected);
  return names.flatMap((name) => {
    const [is, wanted] = [found[name], expected[name]];
    if (!isPlan && is === undefined) return [];
    const same = is !== undefined && wanted !== undefined && canonicalJson(is) === canonicalJson(wanted);
    return same ? [] : [`${path}${name} is not what the resource asks for`];
  });
}
