import { issueAt } from '../schema/issue.ts';
import type { GateType } from './gate-type.ts';

/** Largest cosine distance. */
export const FARTHEST_DISTANCE = 2;

const NEEDS_AGAINST = 'is required for a Novelty gate; write Training or Cohort';
const NEEDS_THRESHOLD =
  'is required for a Novelty gate, or quantile in its place; write a cosine distance, such as 0.05';
const NOT_BOTH = 'cannot be given beside threshold; remove one';
export const NOT_WITH_PAIRS =
  'against: Cohort would refuse the members of pairs, which are alike; remove the gate or spec.quota.pairs';
const QUANTILE_OF_TRAINING = 'belongs to against: Training; write threshold';

/** Fields of gates with a graph. Those with a default are always there, written or not. */
const OF_MODELS = ['axis', 'modelUri', 'input', 'activation', 'sha256', 'classes', 'tolerance', 'appliesTo'] as const;
const OF_MODELS_MESSAGE = 'does not belong to a Novelty gate; remove it';

/**
 * The cosine distance of an image's features from the nearest of other images: a copy of one of them is refused, and refilled
 * like any other refused image.
 */
export const novelty: GateType = {
  hasClasses: false,
  score: ([distance]) => distance!,
  interval: ({ threshold }) => ({ low: threshold ?? 0, high: FARTHEST_DISTANCE }),
  scale: () => ({ low: 0, high: FARTHEST_DISTANCE }),
  agrees: () => true,
  describe({ against, threshold, quantile }) {
    const others = against === 'Training' ? 'each training image' : 'each earlier image of its shard';
    const least = threshold === undefined ? '' : ` at least ${Number(threshold.toPrecision(6))}`;
    const share =
      quantile === undefined ? '' : `, the ${quantile} quantile of the distances of held-out from training images`;
    return `cosine distance${least} from ${others}${share}`;
  },
  identity: ({ against, threshold }) => ({ against, threshold }),
  check: (gate, _axis, path) => [
    ...OF_MODELS.filter((name) => gate[name] !== undefined).map((name) => issueAt([...path, name], OF_MODELS_MESSAGE)),
    ...(gate.against === undefined ? [issueAt([...path, 'against'], NEEDS_AGAINST)] : []),
    ...(gate.threshold === undefined && gate.quantile === undefined
      ? [issueAt([...path, 'threshold'], NEEDS_THRESHOLD)]
      : []),
    ...(gate.threshold !== undefined && gate.quantile !== undefined ? [issueAt([...path, 'quantile'], NOT_BOTH)] : []),
    ...(gate.against === 'Cohort' && gate.quantile !== undefined
      ? [issueAt([...path, 'quantile'], QUANTILE_OF_TRAINING)]
      : []),
  ],
  cel: {
    spec: [
      {
        rule: "!has(self.quota.pairs) || !self.quality.gates.exists(gate, has(gate.against) && gate.against == 'Cohort')",
        message: NOT_WITH_PAIRS,
        fieldPath: '.quality.gates',
      },
      {
        rule: "!self.quality.gates.exists(gate, gate.type == 'Novelty') || has(self.quality.encoder)",
        message: 'is required by a Novelty gate; name the encoder that gives features',
        fieldPath: '.quality.encoder',
        reason: 'FieldValueRequired',
      },
      {
        rule: "!self.quality.gates.exists(gate, has(gate.against) && gate.against == 'Training') || has(self.quality.reference)",
        message: 'is required by a Novelty gate against Training; name the features of the training images',
        fieldPath: '.quality.reference',
        reason: 'FieldValueRequired',
      },
    ],
    gate: [
      ...OF_MODELS.map((name) => ({
        rule: `self.type != 'Novelty' || !has(self.${name})`,
        message: OF_MODELS_MESSAGE,
        fieldPath: `.${name}`,
        reason: 'FieldValueForbidden' as const,
      })),
      {
        rule: "self.type != 'Novelty' || has(self.against)",
        message: NEEDS_AGAINST,
        fieldPath: '.against',
        reason: 'FieldValueRequired',
      },
      {
        rule: "self.type != 'Novelty' || has(self.threshold) || has(self.quantile)",
        message: NEEDS_THRESHOLD,
        fieldPath: '.threshold',
        reason: 'FieldValueRequired',
      },
      {
        rule: "self.type != 'Novelty' || !has(self.threshold) || !has(self.quantile)",
        message: NOT_BOTH,
        fieldPath: '.quantile',
        reason: 'FieldValueForbidden',
      },
      {
        rule: "self.type != 'Novelty' || !has(self.quantile) || !has(self.against) || self.against == 'Training'",
        message: QUANTILE_OF_TRAINING,
        fieldPath: '.quantile',
        reason: 'FieldValueForbidden',
      },
    ],
  },
};
