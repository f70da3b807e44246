import type { DraftGate } from '../gates/gate-type.ts';
import { GATE_TYPES } from '../gates/gate-types.ts';
import { DEGENERATE, MAX_SHARDS } from '../names.ts';
import { seedIssues, shardIssues } from '../plan/limits.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import type { Issue, Path } from '../schema/issue.ts';
import { outputSchema, qualitySchema } from '../schema/spec.ts';
import { type Axes, checkAxisName, checkValue, duplicates } from './axes.ts';
import { type DraftSpec, soundItems, withDefault } from './draft.ts';
import { type Validation, withKnown } from './rule.ts';

/** `spec.quality`: the gates can judge, and all attempts and shards can be numbered. */

const GATES: Path = ['spec', 'quality', 'gates'];

const types = Object.values(GATE_TYPES);

const gatesOf = ({ quality }: DraftSpec): [number, DraftGate][] => soundItems(quality?.gates);

const names: Validation = {
  check: (spec) => {
    const named = gatesOf(spec).flatMap(([i, { name }]): [number, string][] => (name ? [[i, name]] : []));
    return duplicates(named, GATES, ['name']);
  },
  cel: {
    'quality.gates': [
      {
        rule: 'self.all(gate, self.exists_one(other, other.name == gate.name))',
        message: 'has two gates of one name; remove or rename one',
      },
    ],
    'quality.gates.[].name': [
      {
        rule: `self != '${DEGENERATE}'`,
        message: 'is what images that show nothing are counted under; choose another name',
      },
    ],
  },
};

const gates: Validation = {
  check: (spec, axes) => gatesOf(spec).flatMap(([i, gate]) => checkGate(gate, axes, [...GATES, i])),
  cel: {
    '': [
      {
        rule: 'self.quality.gates.all(gate, gate.axis in self.quota.axes)',
        message: 'a gate names an axis that spec.quota.axes does not have',
        fieldPath: '.quality.gates',
      },
      {
        rule: withKnown(
          'self.quota.axes',
          'self.quality.gates.all(gate, !has(gate.appliesTo) || !(gate.axis in known) || gate.appliesTo.all(value, value in known[gate.axis]))',
        ),
        message: 'appliesTo of a gate names a value that its axis does not have',
        fieldPath: '.quality.gates',
      },
      ...types.flatMap(({ cel }) => cel.spec),
    ],
    'quality.gates.[]': types.flatMap(({ cel }) => cel.gate),
  },
};

function checkGate(gate: DraftGate, axes: Axes | null, path: Path): Issue[] {
  const { axis } = gate;
  const unknown = checkAxisName(axes, axis, [...path, 'axis']);
  if (unknown.length > 0 || !axis) return unknown;
  const issues = soundItems(gate.appliesTo).flatMap(([i, value]) =>
    checkValue(axes, axis, value, [...path, 'appliesTo', i]),
  );
  if (gate.type) issues.push(...GATE_TYPES[gate.type].check(gate, axes?.get(axis), path));
  return issues;
}

/** Every attempt has a seed of its own and every shard a number, where the spec itself says how many there are. */
const numbers: Validation = {
  check: ({ quota, quality, output }) => {
    const samples = quota?.samples;
    if (!samples) return [];
    const attempts = quality === null ? null : withDefault(quality?.maxAttempts, qualitySchema.shape.maxAttempts);
    const size = output?.shard === null ? null : (output?.shard?.samples ?? defaultShard.samples);
    return [
      ...(attempts === null ? [] : seedIssues(samples, attempts)),
      ...(size === null || output?.shard?.samples === null ? [] : shardIssues(samples, size)),
    ];
  },
  cel: {
    '': [
      {
        rule: `!has(self.quota.samples) || self.quota.samples * self.quality.maxAttempts <= ${SEED_SPACE}`,
        message: `times spec.quota.samples is more than the ${SEED_SPACE} seeds (32 bits) that there are; lower it`,
        fieldPath: '.quality.maxAttempts',
      },
      {
        rule: `!has(self.quota.samples) || self.quota.samples <= self.output.shard.samples * ${MAX_SHARDS}`,
        message: `makes more than ${MAX_SHARDS} shards of spec.quota.samples; raise it`,
        fieldPath: '.output.shard.samples',
      },
    ],
  },
};

const defaultShard = outputSchema.shape.shard.parse(undefined);

export const QUALITY_VALIDATIONS: readonly Validation[] = [names, gates, numbers];
