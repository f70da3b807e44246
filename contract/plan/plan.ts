import { digestOf } from '../digest.ts';
import { sampleKey } from '../names.ts';
import { SpecError } from '../schema/issue.ts';
import type { Spec, SyntheticDataset } from '../schema/spec.ts';
import { type Allocation, allocate, type QuotaInputs } from './allocate.ts';
import { cellRecord } from './grid.ts';
import { type Place, placesBetween } from './order.ts';
import { placeholders, renderPrompt } from './prompts.ts';
import { attemptSeed, SEED_SPACE, seedKeys } from './seeds.ts';
import { turn } from './turns.ts';

/** The plan: everything that decides the bytes of a dataset, and how to find any sample of it. */

/** What the plan must know of a model beyond its URI. */
export interface ModelIdentity {
  readonly digest: string;
  /** What `spec.model.sampling` leaves to the model. */
  readonly defaults: { readonly scheduler: string; readonly height: number; readonly width: number };
}

export interface PlanInputs extends QuotaInputs {
  readonly model: ModelIdentity;
  /** One per gate, in order. */
  readonly gateDigests: readonly string[];
  /** The phrases of `spec.prompt.impressionsFrom`. */
  readonly impressions?: Readonly<Record<string, readonly string[]>>;
}

/** `spec.model.sampling` with nothing left open. */
export interface ResolvedSampling {
  readonly scheduler: string;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly negativePrompt: string;
  readonly height: number;
  readonly width: number;
}

export interface Plan {
  readonly name: string;
  /** SHA-256 of `identity`. */
  readonly digest: string;
  /** All that decides the bytes; published with the dataset, so that anyone can check the digest. */
  readonly identity: PlanIdentity;
  readonly spec: Spec;
  readonly allocation: Allocation;
  /** Accepted images wanted. */
  readonly samples: number;
  readonly shards: number;
  readonly model: ModelIdentity;
  readonly sampling: ResolvedSampling;
  readonly impressions: Readonly<Record<string, readonly string[]>>;
  readonly seedKeys: Uint32Array;
}

/** See `identityOf`. */
export type PlanIdentity = Readonly<Record<string, unknown>> & { readonly quotas: Readonly<Record<string, number>> };

/** One wanted image. */
export interface Sample {
  readonly index: number;
  /** WebDataset key. */
  readonly key: string;
  /** Ordinal in `plan.allocation.grid.cells`. */
  readonly cell: number;
  readonly axes: Readonly<Record<string, string>>;
  /** The number wanted on each axis of numbers, such as {age: 63} (years). */
  readonly exact: Readonly<Record<string, number>>;
  readonly prompt: string;
  readonly sourceId?: string;
}

/** Plans a checked dataset. @throws SpecError when the quota cannot be met or does not fit in 32-bit seeds. */
export function makePlan(dataset: SyntheticDataset, inputs: PlanInputs): Plan {
  const { spec } = dataset;
  const allocation = allocate(spec.quota, inputs);
  const samples = allocation.quotas.reduce((sum, quota) => sum + quota, 0);
  const { maxAttempts } = spec.quality;
  if (samples * maxAttempts > SEED_SPACE) {
    const message = `${maxAttempts} attempts for each of ${samples} samples need ${samples * maxAttempts} seeds, but there are only ${SEED_SPACE} (32 bits); lower it to ${Math.floor(SEED_SPACE / samples)}`;
    throw new SpecError([{ path: 'spec.quality.maxAttempts', message }]);
  }
  const sampling = { ...spec.model.sampling, ...resolve(spec, inputs.model) };
  const impressions = usedImpressions(spec, allocation, inputs.impressions);
  const identity = identityOf(dataset, { allocation, sampling, impressions, inputs });
  return {
    name: dataset.metadata.name,
    digest: digestOf(identity),
    identity,
    spec,
    allocation,
    samples,
    shards: Math.ceil(samples / spec.output.shard.samples),
    model: inputs.model,
    sampling,
    impressions,
    seedKeys: seedKeys(spec.seed),
  };
}

function resolve(spec: Spec, { defaults }: ModelIdentity): Pick<ResolvedSampling, 'scheduler' | 'height' | 'width'> {
  const { scheduler, height, width } = spec.model.sampling;
  return {
    scheduler: scheduler ?? defaults.scheduler,
    height: height ?? defaults.height,
    width: width ?? defaults.width,
  };
}

/** The phrases of the findings that have samples; empty when the template does not use them. */
function usedImpressions(spec: Spec, allocation: Allocation, loaded: PlanInputs['impressions']): Plan['impressions'] {
  const fromRows = spec.quota.allocation.table?.impressionColumn !== undefined;
  if (fromRows || !placeholders(spec.prompt.template).includes('impression')) return {};
  const source = spec.prompt.impressions ?? loaded ?? {};
  const findings = [...new Set(allocation.grid.cells.map((cell) => cellRecord(allocation.grid, cell).finding!))];
  const missing = findings.filter((finding) => !source[finding]?.length);
  if (missing.length > 0) {
    throw new SpecError([
      { path: 'spec.prompt.impressionsFrom', message: `has no phrase for ${missing.join(', ')}; add rows for them` },
    ]);
  }
  return Object.fromEntries(findings.map((finding) => [finding, source[finding]!]));
}

interface Parts {
  readonly allocation: Allocation;
  readonly sampling: ResolvedSampling;
  readonly impressions: Plan['impressions'];
  readonly inputs: PlanInputs;
}

/** What the digest covers: names and defaults spelled out, places (URIs, credentials) and farm settings left out. */
function identityOf(dataset: SyntheticDataset, { allocation, sampling, impressions, inputs }: Parts): PlanIdentity {
  const { spec } = dataset;
  const { cells } = allocation.grid;
  const { format, quality } = spec.output.image;
  return {
    contract: 1,
    name: dataset.metadata.name,
    seed: spec.seed,
    quotas: Object.fromEntries(cells.map((cell, i) => [cell.id, allocation.quotas[i]!])),
    ...(allocation.table && { table: digestOf(allocation.table) }),
    template: spec.prompt.template,
    impressions,
    model: { digest: inputs.model.digest, sampling },
    quality: {
      maxAttempts: spec.quality.maxAttempts,
      onExhausted: spec.quality.onExhausted,
      gates: spec.quality.gates.map(({ modelUri: _place, sha256: _pin, ...gate }, i) => ({
        ...gate,
        digest: inputs.gateDigests[i],
      })),
    },
    image: format === 'jpeg' ? { format, quality } : { format },
    shardSamples: spec.output.shard.samples,
  };
}

/** The sample indices of a shard, `end` exclusive. */
export function shardRange(plan: Plan, shard: number): { start: number; end: number } {
  if (!Number.isInteger(shard) || shard < 0 || shard >= plan.shards)
    throw new RangeError(`shard ${shard} of ${plan.shards}`);
  const size = plan.spec.output.shard.samples;
  return { start: shard * size, end: Math.min(plan.samples, (shard + 1) * size) };
}

/** What of a plan says which samples there are. */
type SamplePlan = Pick<Plan, 'allocation' | 'impressions' | 'spec'>;

/** The samples with indices `start` to `end` (exclusive). Time O(cells + samples asked for). */
export function samplesBetween(plan: SamplePlan, start: number, end: number): Sample[] {
  return placesBetween(plan.allocation.quotas, start, end).map((place, i) => sampleOf(plan, start + i, place));
}

/** The seed of a sample's attempt: `torch.manual_seed` of its initial noise. */
export function seedOf(plan: Pick<Plan, 'seedKeys' | 'spec'>, index: number, attempt: number): number {
  return attemptSeed(plan.seedKeys, index * plan.spec.quality.maxAttempts + attempt);
}

function sampleOf(plan: SamplePlan, index: number, { cell, slot }: Place): Sample {
  const { grid, table } = plan.allocation;
  const axes = cellRecord(grid, grid.cells[cell]!);
  const row = table?.[cell]?.[slot];
  const { exact, period } = row ? { exact: row.exact, period: 1 } : numbersInTurn(plan, cell, slot);
  const impression = row?.impression ?? phraseInTurn(plan.impressions[axes.finding ?? ''], slot, period);
  const words = { ...axes, ...Object.fromEntries(Object.entries(exact).map(([name, n]) => [name, String(n)])) };
  const prompt = renderPrompt(plan.spec.prompt.template, impression === undefined ? words : { ...words, impression });
  return {
    index,
    key: sampleKey(index),
    cell,
    axes,
    exact,
    prompt,
    ...(row?.sourceId !== undefined && { sourceId: row.sourceId }),
  };
}

const phraseInTurn = (phrases: readonly string[] | undefined, slot: number, period: number): string | undefined =>
  phrases?.[turn(slot, phrases.length, period)];

/** Each number of a cell cycles evenly through its bin. `period` is after how many slots all of them repeat. */
function numbersInTurn(
  plan: SamplePlan,
  cell: number,
  slot: number,
): { exact: Record<string, number>; period: number } {
  const { grid } = plan.allocation;
  const exact: Record<string, number> = {};
  let period = 1;
  grid.axes.forEach((axis, k) => {
    if (!axis.bins) return;
    const bin = axis.bins[axis.values.indexOf(grid.cells[cell]!.values[k]!)]!;
    const width = bin.high - bin.low + 1;
    exact[axis.name] = bin.low + turn(slot, width, period);
    period *= width;
  });
  return { exact, period };
}
