import { digestOf } from '../../contract/digest.ts';
import { buildGrid } from '../../contract/plan/grid.ts';
import { type Plan, type Sample, samplesBetween } from '../../contract/plan/plan.ts';
import { seedKeys } from '../../contract/plan/seeds.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';

/** The plan as a published dataset tells it: enough to say what every sample was to be. */

export interface Rebuilt {
  readonly plan: Pick<Plan, 'seedKeys' | 'spec'>;
  /** Cell ids in grid order. */
  readonly cells: readonly string[];
  readonly samples: number;
  /** Samples by index; without prompts and exact numbers where a Table gave them. */
  samplesBetween(start: number, end: number): Sample[];
  readonly fromTable: boolean;
}

/** Why a manifest contradicts itself, or the plan that it tells. */
export function rebuildPlan(manifest: Manifest): Rebuilt | string {
  if (digestOf(manifest.plan) !== manifest.planDigest) return 'planDigest is not the digest of plan';
  const { spec } = manifest.dataset;
  const whole = buildGrid(spec.quota);
  const chosen = whole.cells.filter((cell) => manifest.plan.quotas[cell.id] !== undefined);
  if (chosen.length !== Object.keys(manifest.plan.quotas).length)
    return 'plan.quotas names cells that the grid of the dataset does not have';
  const cells = chosen.map((cell, ordinal) => ({ ...cell, ordinal }));
  const quotas = cells.map((cell) => manifest.plan.quotas[cell.id]!);
  const allocation = { grid: { ...whole, cells }, quotas, shares: quotas, cohort: null, table: null };
  const plan = {
    spec,
    allocation,
    seedKeys: seedKeys(spec.seed),
    impressions: (manifest.plan.impressions ?? {}) as Plan['impressions'],
  };
  return {
    plan,
    cells: cells.map((cell) => cell.id),
    samples: quotas.reduce((sum, quota) => sum + quota, 0),
    samplesBetween: (start, end) => samplesBetween(plan, start, end),
    fromTable: spec.quota.allocation.strategy === 'Table',
  };
}
