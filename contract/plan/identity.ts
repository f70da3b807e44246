import { digestOfLines } from '../digest.ts';
import { GATE_TYPES, hasModel } from '../gates/gate-types.ts';
import type { Gate, SyntheticDataset } from '../schema/spec.ts';
import type { Allocation } from './allocate.ts';
import type { Grid } from './grid.ts';
import type { Impressions } from './impressions.ts';
import { type Origin, originIdentity } from './origin.ts';

/** The identity of a plan: all that decides the bytes of its shards, and nothing else. */

/** `spec.model.sampling` with nothing left open. */
export interface ResolvedSampling {
  readonly scheduler: string;
  readonly steps: number;
  readonly guidanceScale: number;
  /** Absent where all steps are guided, so that digests of such plans stay as they were. */
  readonly guidanceInterval?: { readonly start: number; readonly stop: number } | undefined;
  readonly negativePrompt: string;
  readonly height: number;
  readonly width: number;
}

/** See `identityOf`. */
export type PlanIdentity = Readonly<Record<string, unknown>> & { readonly quotas: Readonly<Record<string, number>> };

interface Parts {
  readonly allocation: Allocation;
  readonly origin: Origin;
  readonly sampling: ResolvedSampling;
  readonly impressions: Impressions;
  readonly modelDigest: string;
  readonly gates: readonly PlannedGate[];
  readonly encoderDigest?: string | undefined;
  readonly referenceDigest?: string | undefined;
}

/** A gate as the plan has it: with the threshold that follows from a quantile, and the digest of its folder if it has one. */
export interface PlannedGate {
  readonly gate: Gate;
  readonly digest: string;
}

/**
 * What the plan digest covers. Defaults are spelled out and sets are sorted, so that another spelling of the same resource
 * is the same plan. Left out is what decides no byte of a shard: places (URIs, credentials), farm settings, training.
 */
export function identityOf({ metadata, spec }: SyntheticDataset, parts: Parts): PlanIdentity {
  const { grid, quotas, table } = parts.allocation;
  const { encoderDigest, referenceDigest } = parts;
  const { maxAttempts } = spec.quality;
  const { format, quality, bitDepth } = spec.output.image;
  return {
    contract: 1,
    name: metadata.name,
    seed: spec.seed,
    ...originIdentity(parts.origin),
    /** The same cells ask for other prompts where an axis has numbers. */
    numericAxes: grid.axes.filter((axis) => axis.bins).map((axis) => axis.name),
    ...combinationsIdentity(grid),
    quotas: Object.fromEntries(grid.cells.map((cell, i) => [cell.id, quotas[i]!])),
    ...(spec.quota.pairs && { pairs: spec.quota.pairs.axis }),
    ...(table && { table: digestOfLines(table.map(digestOfLines)) }),
    template: spec.prompt.template,
    impressions: parts.impressions,
    model: { digest: parts.modelDigest, sampling: parts.sampling },
    quality: {
      maxAttempts,
      // Decides no byte. It did once, so that its default is kept here: the digests of such plans stay as they were.
      onExhausted: 'Fail',
      gates: parts.gates.map(({ gate, digest }) => gateIdentity(gate, grid, digest)),
      ...(encoderDigest !== undefined && { encoder: encoderDigest }),
      ...(referenceDigest !== undefined && { reference: referenceDigest }),
    },
    image: { format, ...(format === 'jpeg' && { quality }), ...(bitDepth !== 8 && { bitDepth }) },
    shardSamples: spec.output.shard.samples,
  };
}

/** A cell asks for other prompts and verdicts where its value is a combination, and not a category of that name. */
function combinationsIdentity({ axes }: Grid): { combinations?: unknown } {
  const combined = axes.flatMap(({ name, combinations }) =>
    combinations ? [[name, [...combinations.keys()].sort()]] : [],
  );
  return combined.length > 0 ? { combinations: Object.fromEntries(combined) } : {};
}

/** The gates of a dataset as its plan has them. What only the plan holds is left open where there is none. */
export function plannedGates(gates: readonly Gate[], plan?: PlanIdentity): PlannedGate[] {
  const planned = ((plan?.quality as PlannedQuality | undefined)?.gates ?? []) as readonly Partial<PlannedEntry>[];
  return gates.map((gate, i) => {
    const { digest = '', threshold } = planned[i] ?? {};
    return { digest, gate: gate.quantile === undefined || threshold === undefined ? gate : { ...gate, threshold } };
  });
}

/** `quality` of a plan, as far as it is read back. */
export interface PlannedQuality {
  readonly gates?: readonly unknown[];
  readonly encoder?: string;
  readonly reference?: string;
}

interface PlannedEntry {
  readonly digest: string;
  readonly threshold: number;
}

function gateIdentity(gate: Gate, grid: Grid, digest: string): unknown {
  const { name, type, input, activation } = gate;
  if (!hasModel(gate)) return { name, type, digest, ...GATE_TYPES[type].identity(gate) };
  const { axis } = gate;
  const judged = gate.appliesTo ?? grid.axes.find((one) => one.name === axis)!.values;
  const feeding = { ...(input && { input }), ...(activation && { activation }) };
  return {
    name,
    axis,
    type,
    digest,
    appliesTo: [...new Set(judged)].sort(),
    ...GATE_TYPES[type].identity(gate),
    ...feeding,
    ...(gate.enforce === false && { enforce: false }),
  };
}
