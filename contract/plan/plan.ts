import { digestOf } from '../digest.ts';
import { issueAt, listed, SpecError } from '../schema/issue.ts';
import type { Gate, Spec, SyntheticDataset } from '../schema/spec.ts';
import { type Allocation, allocate, type QuotaInputs } from './allocate.ts';
import { identityOf, type PlanIdentity, type ResolvedSampling } from './identity.ts';
import { hasPhrases, type Impressions, phraseSources } from './impressions.ts';
import { seedIssues, shardIssues, shardSizeIssues } from './limits.ts';
import { type Origin, originAfter, type Parent, parentIssues } from './origin.ts';
import { pairSize } from './pairs.ts';
import { placeholders } from './prompts.ts';
import { type Sample, samplesBetween } from './samples.ts';
import { attemptSeed, seedKeys } from './seeds.ts';

export type { PlanIdentity, ResolvedSampling } from './identity.ts';
export { type Sample, samplesBetween } from './samples.ts';

/** The plan: everything that decides the bytes of a dataset, and how to find any sample of it. */

/** The properties of a model that the plan needs beyond its URI. */
export interface ModelIdentity {
  readonly digest: string;
  /** Defaults for what `spec.model.sampling` leaves to the model. */
  readonly defaults: { readonly scheduler: string; readonly height: number; readonly width: number };
}

export interface PlanInputs extends QuotaInputs {
  readonly model: ModelIdentity;
  /** One per gate, in order; of a gate without a folder it does not count. */
  readonly gateDigests: readonly string[];
  /** Digest of `spec.quality.encoder`. */
  readonly encoderDigest?: string;
  /** Digest of `spec.quality.reference`, and the quantiles of its held-out distances. */
  readonly reference?: { readonly digest: string; quantile(share: number): number };
  /** The phrases of `spec.prompt.impressionsFrom`. */
  readonly impressions?: Impressions;
  /** The dataset of `spec.extends`. */
  readonly parent?: Parent;
}

export interface Plan {
  readonly name: string;
  /** SHA-256 of `identity`. */
  readonly digest: string;
  /** All that decides the bytes; published with the dataset, so that anyone can check the digest. */
  readonly identity: PlanIdentity;
  readonly spec: Spec;
  /** The gates of the spec, with the thresholds that follow from quantiles. */
  readonly gates: readonly Gate[];
  readonly allocation: Allocation;
  readonly origin: Origin;
  /** The dataset that this one extends. */
  readonly parent?: Parent;
  /** Accepted images wanted. */
  readonly samples: number;
  readonly shards: number;
  readonly model: ModelIdentity;
  readonly sampling: ResolvedSampling;
  /** Phrases of the findings that have cells; empty when the template needs none. */
  readonly impressions: Impressions;
  readonly seedKeys: Uint32Array;
}

/** Plans a checked dataset. @throws SpecError when the quota cannot be met or does not fit in 32-bit seeds. */
export function makePlan(dataset: SyntheticDataset, inputs: PlanInputs): Plan {
  const { spec } = dataset;
  if (inputs.gateDigests.length !== spec.quality.gates.length) throw new TypeError('one digest per gate is needed');
  const allocation = allocate(spec.quota, inputs);
  const samples = allocation.quotas.reduce((sum, quota) => sum + quota, 0);
  const size = spec.output.shard.samples;
  const sampling = { ...spec.model.sampling, ...resolve(spec, inputs.model) };
  const { parent } = inputs;
  const origin = originAfter(parent);
  const issues = [
    ...(parent ? parentIssues(spec, samples, parent, origin) : []),
    ...seedIssues(samples, spec.quality.maxAttempts, origin.attempts),
    ...shardIssues(samples, size),
    ...shardSizeIssues(samples, size, { ...sampling, ...spec.output.image }),
  ];
  if (issues.length > 0) throw new SpecError(issues);
  const impressions = usedImpressions(spec, allocation, inputs.impressions);
  const { model, gateDigests, encoderDigest, reference } = inputs;
  const gates = spec.quality.gates.map((gate) => withThreshold(gate, reference));
  const identity = identityOf(dataset, {
    allocation,
    origin,
    sampling,
    impressions,
    modelDigest: model.digest,
    gates: gates.map((gate, i) => ({ gate, digest: comparedDigest(gate, inputs) ?? gateDigests[i]! })),
    encoderDigest,
    referenceDigest: reference?.digest,
  });
  return {
    name: dataset.metadata.name,
    digest: digestOf(identity),
    identity,
    spec,
    gates,
    allocation,
    origin,
    ...(parent && { parent }),
    samples,
    shards: Math.ceil(samples / size),
    model,
    sampling,
    impressions,
    seedKeys: seedKeys(spec.seed),
  };
}

/** Digest of the images with which a Novelty gate compares, by what gives their features. */
function comparedDigest({ against }: Gate, { encoderDigest, reference }: PlanInputs): string | undefined {
  return against === 'Training' ? reference?.digest : against === 'Cohort' ? encoderDigest : undefined;
}

function withThreshold(gate: Gate, reference: PlanInputs['reference']): Gate {
  // Without the reference, which may be out of reach where only the grid is wanted, the threshold stays open.
  if (gate.quantile === undefined || !reference) return gate;
  return { ...gate, threshold: reference.quantile(gate.quantile) };
}

function resolve(spec: Spec, { defaults }: ModelIdentity): Pick<ResolvedSampling, 'scheduler' | 'height' | 'width'> {
  const { scheduler, height, width } = spec.model.sampling;
  return {
    scheduler: scheduler ?? defaults.scheduler,
    height: height ?? defaults.height,
    width: width ?? defaults.width,
  };
}

/** The phrases that a plan uses, of those in the spec or in a file. @throws SpecError when a finding has none */
export function usedImpressions(spec: Spec, { grid }: Allocation, loaded: Impressions | undefined): Impressions {
  const fromRows = spec.quota.allocation.table?.impressionColumn !== undefined;
  if (fromRows || !placeholders(spec.prompt.template).includes('impression')) return {};
  const source = spec.prompt.impressions ?? loaded ?? {};
  const findings = [...new Set(grid.cells.flatMap((cell) => phraseSources(grid, cell, source)))];
  const missing = findings.filter((finding) => !hasPhrases(source, finding));
  if (missing.length > 0) {
    const message = `has no phrase for ${listed(missing)}; add a row with the finding and an impression for each`;
    throw new SpecError([issueAt(['spec', 'prompt', 'impressionsFrom'], message)]);
  }
  return Object.fromEntries(findings.map((finding) => [finding, source[finding]!]));
}

/** The first samples of a plan, or all if there are fewer. */
export const firstSamples = (plan: Plan, count: number): Sample[] =>
  samplesBetween(plan, plan.origin.index, plan.origin.index + Math.min(plan.samples, count));

/** The sample indices of a shard, `end` exclusive. */
export function shardRange(plan: Plan, shard: number): { start: number; end: number } {
  if (!Number.isInteger(shard) || shard < 0 || shard >= plan.shards)
    throw new RangeError(`shard ${shard} of ${plan.shards}`);
  const size = plan.spec.output.shard.samples;
  const { index } = plan.origin;
  return { start: index + shard * size, end: index + Math.min(plan.samples, (shard + 1) * size) };
}

/** The seed of a sample's attempt: `torch.manual_seed` of its initial noise. The members of a pair have that of the first. */
export function seedOf(plan: Pick<Plan, 'seedKeys' | 'spec' | 'origin'>, index: number, attempt: number): number {
  const { maxAttempts } = plan.spec.quality;
  if (attempt < 0 || attempt >= maxAttempts) throw new RangeError(`attempt ${attempt} of ${maxAttempts}`);
  const position = index - plan.origin.index;
  const first = position - (position % pairSize(plan.spec.quota));
  return attemptSeed(plan.seedKeys, plan.origin.attempts + first * maxAttempts + attempt);
}
