import { DEGENERATE, MAX_SHARDS } from '../names.ts';
import { seedIssues, shardIssues } from '../plan/limits.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { outputSchema, qualitySchema } from '../schema/spec.ts';
import { type Axes, checkAxisName, checkValue, duplicates } from './axes.ts';
import { type DraftSpec, soundItems, withDefault } from './draft.ts';
import { asKeys, namesOf, type Validation, withKnown, withName } from './rule.ts';

/** `spec.quality`: the gates can judge, and all attempts and shards can be numbered. */

const GATES: Path = ['spec', 'quality', 'gates'];

type DraftGate = NonNullable<NonNullable<NonNullable<DraftSpec['quality']>['gates']>[number]>;

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
        rule: `self.quality.gates.all(gate, gate.type != 'Regressor' || !(gate.axis in self.quota.axes) || !has(self.quota.axes[gate.axis].values))`,
        message: 'a Regressor judges numbers, but its axis has values; use a Classifier or give the axis bins',
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
      {
        rule: `self.quality.gates.all(gate, gate.type != 'Classifier' || !has(gate.classes) || !(gate.axis in self.quota.axes) || ${withName(
          'classes',
          asKeys('gate.classes'),
          `(has(gate.appliesTo) ? gate.appliesTo : ${namesOf('self.quota.axes[gate.axis]')}).all(value, value in classes)`,
        )})`,
        message:
          'classes of a gate must hold each value of its axis, or each of appliesTo; add them or limit appliesTo',
        fieldPath: '.quality.gates',
      },
    ],
    'quality.gates.[]': [
      {
        rule: "self.type != 'Regressor' || has(self.tolerance)",
        message: 'is required for a Regressor; write the largest distance in the unit of its axis, such as 16 (years)',
        fieldPath: '.tolerance',
        reason: 'FieldValueRequired',
      },
      {
        rule: "self.type != 'Classifier' || !has(self.tolerance)",
        message: 'belongs to a Regressor; use minProbability',
        fieldPath: '.tolerance',
        reason: 'FieldValueForbidden',
      },
      {
        rule: "self.type != 'Regressor' || !has(self.classes)",
        message: 'belongs to a Classifier; remove it',
        fieldPath: '.classes',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};

function checkGate(gate: DraftGate, axes: Axes | null, path: Path): Issue[] {
  const { axis } = gate;
  const unknown = checkAxisName(axes, axis, [...path, 'axis']);
  if (unknown.length > 0 || !axis) return unknown;
  const issues = soundItems(gate.appliesTo).flatMap(([i, value]) =>
    checkValue(axes, axis, value, [...path, 'appliesTo', i]),
  );
  if (gate.type === 'Regressor') issues.push(...checkRegressor(gate, axes?.get(axis)?.numeric, path));
  if (gate.type === 'Classifier') issues.push(...checkClassifier(gate, axes?.get(axis)?.values ?? [], path));
  return issues;
}

function checkRegressor(gate: DraftGate, numeric: boolean | undefined, path: Path): Issue[] {
  const issues: Issue[] = [];
  if (gate.classes !== undefined) {
    issues.push(issueAt([...path, 'classes'], 'belongs to a Classifier; remove it'));
  }
  if (numeric === false) {
    const message = `a Regressor judges numbers, but axis ${gate.axis} has values; use a Classifier or give the axis bins`;
    issues.push(issueAt([...path, 'type'], message));
  }
  if (gate.tolerance === undefined) {
    const message =
      'is required for a Regressor; write the largest distance in the unit of its axis, such as 16 (years)';
    issues.push(issueAt([...path, 'tolerance'], message));
  }
  return issues;
}

function checkClassifier(gate: DraftGate, values: readonly string[], path: Path): Issue[] {
  const classes = soundItems(gate.classes);
  const issues = duplicates(classes, [...path, 'classes']);
  if (gate.tolerance !== undefined) {
    issues.push(issueAt([...path, 'tolerance'], 'belongs to a Regressor; use minProbability'));
  }
  if (!gate.classes || gate.appliesTo === null) return issues;
  const judged = gate.appliesTo ? soundItems(gate.appliesTo).map(([, value]) => value) : values;
  const missing = judged.filter((value) => !gate.classes!.includes(value));
  if (missing.length > 0) {
    const message = `has no class ${listed(missing)} of axis ${gate.axis}; add it or limit appliesTo`;
    issues.push(issueAt([...path, 'classes'], message));
  }
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
