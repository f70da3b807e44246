import type { DraftGate } from '../gates/gate-type.ts';
import { GATE_TYPES } from '../gates/gate-types.ts';
import { NOT_WITH_PAIRS } from '../gates/novelty.ts';
import { DEGENERATE } from '../names.ts';
import { type Issue, issueAt, type Path } from '../schema/issue.ts';
import { type Axes, checkAxisName, checkValue, duplicates } from './axes.ts';
import { type DraftSpec, soundItems } from './draft.ts';
import { type Rule, type Validation, withKnown, withName } from './rule.ts';

/** `spec.quality.gates`: each can judge, and what they compare with is there. */

const GATES: Path = ['spec', 'quality', 'gates'];

const types = Object.values(GATE_TYPES);

const gatesOf = ({ quality }: DraftSpec): [number, DraftGate][] => soundItems(quality?.gates);

const REFERENCE_NEEDS_ENCODER = 'needs spec.quality.encoder, the encoder that made it; name it, or remove reference';

const names: Validation = {
  check: (spec) => {
    const named = gatesOf(spec).flatMap(([i, { name }]): [number, string][] => (name ? [[i, name]] : []));
    return duplicates(named, GATES, ['name']);
  },
  cel: {
    'quality.gates': [
      {
        // A field of a gate costs much, and a name next to nothing.
        rule: withName('names', 'self.map(gate, gate.name)', 'names.all(name, names.exists_one(other, other == name))'),
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

const NEEDS_AXIS = 'is required, but for a Novelty gate; name the axis that the gate judges';
const NEEDS_MODEL = 'is required, but for a Novelty gate; name the folder of the gate';
const OF_NOVELTY = ['against', 'threshold', 'quantile'] as const;
const OF_NOVELTY_MESSAGE = 'belongs to a Novelty gate; remove it';

/** Issues of a gate with a graph, whatever its type. */
function checkModelGate(gate: DraftGate, path: Path): Issue[] {
  return [
    ...(gate.axis === undefined ? [issueAt([...path, 'axis'], NEEDS_AXIS)] : []),
    ...(gate.modelUri === undefined ? [issueAt([...path, 'modelUri'], NEEDS_MODEL)] : []),
    ...OF_NOVELTY.filter((name) => gate[name] !== undefined).map((name) =>
      issueAt([...path, name], OF_NOVELTY_MESSAGE),
    ),
  ];
}

const NOVELTY_ENFORCES = 'belongs to a gate with a model; remove it';

const modelGateRules: readonly Rule[] = [
  {
    rule: "self.type == 'Novelty' || has(self.axis)",
    message: NEEDS_AXIS,
    fieldPath: '.axis',
    reason: 'FieldValueRequired',
  },
  {
    rule: "self.type == 'Novelty' || has(self.modelUri)",
    message: NEEDS_MODEL,
    fieldPath: '.modelUri',
    reason: 'FieldValueRequired',
  },
  {
    rule: "self.type != 'Novelty' || !has(self.enforce)",
    message: NOVELTY_ENFORCES,
    fieldPath: '.enforce',
    reason: 'FieldValueForbidden',
  },
  ...OF_NOVELTY.map((name) => ({
    rule: `self.type == 'Novelty' || !has(self.${name})`,
    message: OF_NOVELTY_MESSAGE,
    fieldPath: `.${name}`,
    reason: 'FieldValueForbidden' as const,
  })),
];

const gates: Validation = {
  check: (spec, axes) => gatesOf(spec).flatMap(([i, gate]) => checkGate(gate, axes, [...GATES, i])),
  cel: {
    '': [
      {
        rule: withName('axes', 'self.quota.axes', 'self.quality.gates.all(gate, !has(gate.axis) || gate.axis in axes)'),
        message: 'a gate names an axis that spec.quota.axes does not have',
        fieldPath: '.quality.gates',
      },
      {
        rule: `!self.quality.gates.exists(gate, has(gate.appliesTo)) || ${withKnown(
          'self.quota.axes',
          'self.quality.gates.all(gate, !has(gate.appliesTo) || !has(gate.axis) || !(gate.axis in known) || gate.appliesTo.all(value, value in known[gate.axis]))',
        )}`,
        message: 'appliesTo of a gate names a value that its axis does not have',
        fieldPath: '.quality.gates',
      },
      ...types.flatMap(({ cel }) => cel.spec),
    ],
    'quality.gates.[]': [...modelGateRules, ...types.flatMap(({ cel }) => cel.gate)],
  },
};

function checkGate(gate: DraftGate, axes: Axes | null, path: Path): Issue[] {
  if (gate.type === 'Novelty')
    return [
      ...GATE_TYPES.Novelty.check(gate, undefined, path),
      ...(gate.enforce === undefined ? [] : [issueAt([...path, 'enforce'], NOVELTY_ENFORCES)]),
    ];
  const { axis } = gate;
  const missing = checkModelGate(gate, path);
  if (axis === undefined) return missing;
  const unknown = checkAxisName(axes, axis, [...path, 'axis']);
  if (unknown.length > 0 || !axis) return [...missing, ...unknown];
  const judged = soundItems(gate.appliesTo).flatMap(([i, value]) =>
    checkValue(axes, axis, value, [...path, 'appliesTo', i]),
  );
  const ofType = gate.type ? GATE_TYPES[gate.type].check(gate, axes?.get(axis), path) : [];
  return [...missing, ...judged, ...ofType];
}

/** Fields of `spec.quality` on which gates and evidence depend. */
const features: Validation = {
  check: ({ quality, quota }) => {
    if (!quality) return [];
    const novelty = soundItems(quality.gates).filter(([, { type }]) => type === 'Novelty');
    const isAgainstTraining = novelty.some(([, { against }]) => against === 'Training');
    const QUALITY: Path = ['spec', 'quality'];
    return [
      ...(quota?.pairs ? novelty : [])
        .filter(([, { against }]) => against === 'Cohort')
        .map(([i]) => issueAt([...GATES, i, 'against'], NOT_WITH_PAIRS)),
      ...(novelty.length > 0 && quality.encoder === undefined
        ? [issueAt([...QUALITY, 'encoder'], 'is required by a Novelty gate; name the encoder that gives features')]
        : []),
      ...(isAgainstTraining && quality.reference === undefined
        ? [
            issueAt(
              [...QUALITY, 'reference'],
              'is required by a Novelty gate against Training; name the features of the training images',
            ),
          ]
        : []),
      ...(quality.reference && quality.encoder === undefined
        ? [issueAt([...QUALITY, 'reference'], REFERENCE_NEEDS_ENCODER)]
        : []),
    ];
  },
  cel: {
    quality: [
      {
        rule: '!has(self.reference) || has(self.encoder)',
        message: REFERENCE_NEEDS_ENCODER,
        fieldPath: '.reference',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};

export const GATE_VALIDATIONS: readonly Validation[] = [names, gates, features];
