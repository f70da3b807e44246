import { issueAt, listed, type Path } from '../schema/issue.ts';
import { duplicates } from '../validate/axes.ts';
import { soundItems } from '../validate/draft.ts';
import { asKeys, namesOf, withName } from '../validate/rule.ts';
import type { DraftGate, GateType } from './gate-type.ts';

/**
 * Probabilities of classes. A single-label classifier must find the wanted class the most probable, a multi-label one only
 * probable enough.
 */
export const classifier: GateType = {
  hasClasses: true,
  score: (outputs, classes, value) => outputs[classes.indexOf(value)]!,
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
    ...missingClasses(gate, axis?.values ?? [], path),
  ],
  cel: {
    spec: [
      {
        rule: `self.quality.gates.all(gate, gate.type != 'Classifier' || !has(gate.classes) || !has(gate.axis) || !(gate.axis in self.quota.axes) || ${withName(
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

function missingClasses({ axis, classes, appliesTo }: DraftGate, values: readonly string[], path: Path) {
  if (!classes || appliesTo === null) return [];
  const judged = appliesTo ? soundItems(appliesTo).map(([, value]) => value) : values;
  const missing = judged.filter((value) => !classes.includes(value));
  if (missing.length === 0) return [];
  const message = `has no class ${listed(missing)} of axis ${axis}; add it or limit appliesTo`;
  return [issueAt([...path, 'classes'], message)];
}
