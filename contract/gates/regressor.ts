import { issueAt } from '../schema/issue.ts';
import type { GateType } from './gate-type.ts';

const NEEDS_TOLERANCE =
  'is required for a Regressor; write the largest distance in the unit of its axis, such as 16 (years)';

/** A predicted number, such as the age, which must lie within a tolerance of the wanted one. */
export const regressor: GateType = {
  hasClasses: false,
  score: ([number]) => number!,
  interval: ({ tolerance }, exact) => ({ low: exact! - tolerance!, high: exact! + tolerance! }),
  scale({ low, high }) {
    const margin = Math.max(1, high - low) / 2;
    return { low: low - margin, high: high + margin };
  },
  agrees: () => true,
  describe: ({ tolerance }) => `within ${tolerance} of the wanted number`,
  identity: ({ tolerance }) => ({ tolerance }),
  check: (gate, axis, path) => [
    ...(gate.classes === undefined ? [] : [issueAt([...path, 'classes'], 'belongs to a Classifier; remove it')]),
    ...(axis?.numeric === false
      ? [
          issueAt(
            [...path, 'type'],
            `a Regressor judges numbers, but axis ${gate.axis} has values; use a Classifier or give the axis bins`,
          ),
        ]
      : []),
    ...(gate.tolerance === undefined ? [issueAt([...path, 'tolerance'], NEEDS_TOLERANCE)] : []),
  ],
  cel: {
    spec: [
      {
        rule: `self.quality.gates.all(gate, gate.type != 'Regressor' || !has(gate.axis) || !(gate.axis in self.quota.axes) || !has(self.quota.axes[gate.axis].values))`,
        message: 'a Regressor judges numbers, but its axis has values; use a Classifier or give the axis bins',
        fieldPath: '.quality.gates',
      },
    ],
    gate: [
      {
        rule: "self.type != 'Regressor' || has(self.tolerance)",
        message: NEEDS_TOLERANCE,
        fieldPath: '.tolerance',
        reason: 'FieldValueRequired',
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
