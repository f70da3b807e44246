import { wantedClasses } from '../plan/combinations.ts';
import { type Issue, issueAt, listed, type Path } from '../schema/issue.ts';
import { duplicates } from '../validate/axes.ts';
import { soundItems } from '../validate/draft.ts';
import { asKeys, namesOf, withName } from '../validate/rule.ts';
import type { DraftGate, GateAxis, GateType } from './gate-type.ts';

/**
 * Probabilities of classes. A single-label classifier must find the wanted class the most probable, a multi-label one only
 * probable enough.
 */
export const classifier: GateType = {
  hasClasses: true,
  // Of a combination the class that shows least: the image passes when it shows all of them.
  score: (outputs, classes, wanted) => Math.min(...wanted.map((name) => outputs[classes.indexOf(name)]!)),
  interval: ({ minProbability }) => ({ low: minProbability, high: 1 }),
  scale: () => ({ low: 0, high: 1 }),
  agrees: ({ multiLabel }, outputs, score) => multiLabel || outputs.every((probability) => probability <= score),
  describe: ({ multiLabel, minProbability }) =>
    `wanted class ${multiLabel ? '' : 'the most probable and '}at least ${minProbability} probable`,
  identity: ({ classes, multiLabel, minProbability }) => ({ ...(classes && { classes }), multiLabel, minProbability }),
  check: (gate, axis, path) => [
    ...duplicates(soundItems(gate.classes), [...path, 'classes']),
    ...(gate.tolerance === undefined
      ? []
      : [issueAt([...path, 'tolerance'], 'belongs to a Regressor; use minProbability')]),
    ...missingClasses(gate, axis, path),
    ...exclusiveClasses(gate, axis, path),
  ],
  cel: {
    spec: [
      {
        rule: `self.quality.gates.all(gate, gate.type != 'Classifier' || !has(gate.classes) || !has(gate.axis) || !(gate.axis in self.quota.axes) || has(self.quota.axes[gate.axis].combinations) || ${withName(
          'classes',
          asKeys('gate.classes'),
          `(has(gate.appliesTo) ? gate.appliesTo : ${namesOf('self.quota.axes[gate.axis]')}).all(value, value in classes)`,
        )})`,
        message:
          'classes of a gate must hold each value of its axis, or each of appliesTo; add them or limit appliesTo',
        fieldPath: '.quality.gates',
      },
    ],
    gate: [
      {
        rule: "self.type != 'Classifier' || !has(self.tolerance)",
        message: 'belongs to a Regressor; use minProbability',
        fieldPath: '.tolerance',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};

/** Values that a gate judges, as far as they are known. */
function judgedValues({ appliesTo }: DraftGate, axis: GateAxis | null | undefined): readonly string[] {
  if (appliesTo === null) return [];
  return appliesTo ? soundItems(appliesTo).map(([, value]) => value) : (axis?.values ?? []);
}

const namedClasses = ({ classes }: DraftGate): string[] => soundItems(classes).map(([, name]) => name);

function missingClasses(gate: DraftGate, axis: GateAxis | null | undefined, path: Path): Issue[] {
  if (!gate.classes) return [];
  const classes = namedClasses(gate);
  const wanted = judgedValues(gate, axis).flatMap((value) =>
    wantedClasses(classes, value, axis?.combinations.get(value)),
  );
  const missing = [...new Set(wanted)].filter((value) => !classes.includes(value));
  if (missing.length === 0) return [];
  const message = `has no class ${listed(missing)} of axis ${gate.axis}; add it or limit appliesTo`;
  return [issueAt([...path, 'classes'], message)];
}

/** Issues of a gate whose classes exclude each other, so that no image shows several. */
function exclusiveClasses(gate: DraftGate, axis: GateAxis | null | undefined, path: Path): Issue[] {
  if (gate.multiLabel === true || gate.multiLabel === null) return [];
  const classes = namedClasses(gate);
  const combined = judgedValues(gate, axis).filter(
    (value) => axis?.combinations.has(value) && !classes.includes(value),
  );
  if (combined.length === 0) return [];
  const message = `is required to judge ${listed(combined)} of axis ${gate.axis}: set true if the classes do not exclude each other, or limit appliesTo`;
  return [issueAt([...path, 'multiLabel'], message)];
}
