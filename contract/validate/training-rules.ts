import { NO_FINDING } from '../names.ts';
import { POOLED, RESERVED_STAGES } from '../schema/training.ts';
import { binRule } from './quota-rules.ts';
import type { Rule, Rules } from './rule.ts';

/** What `spec.training` says about itself: check-training.ts, as far as CEL reaches. */

const compareRules: readonly Rule[] = [
  {
    rule: `self.compare.size() == 0 || (self.stages.exists(stage, stage.type == 'Pretrain') && self.stages.exists(stage, stage.type == 'Finetune'))`,
    message: 'needs a Pretrain and a Finetune stage to compare with; add them to spec.training.stages',
    fieldPath: '.compare',
  },
  {
    rule: 'self.compare.size() == 0 || (has(self.evaluation) && self.evaluation.sites.size() > 0)',
    message: 'needs real images to measure on; add spec.training.evaluation.sites',
    fieldPath: '.compare',
  },
];

const stageRules: readonly Rule[] = [
  ...(['from', 'data'] as const).map(
    (field): Rule => ({
      rule: `self.type != 'Finetune' || has(self.${field})`,
      message: `is required for Finetune; name the ${field === 'from' ? 'stage whose weights it begins with' : 'folder of real images'}`,
      fieldPath: `.${field}`,
      reason: 'FieldValueRequired',
    }),
  ),
  {
    rule: `!(self.name in [${RESERVED_STAGES.map((name) => `'${name}'`).join(', ')}])`,
    message: 'is where other results go; choose another name',
    fieldPath: '.name',
  },
  {
    rule: '!has(self.podTemplate) || !has(self.runtimeRef)',
    message: 'has no effect with runtimeRef; say it in the runtime and remove it here',
    fieldPath: '.podTemplate',
    reason: 'FieldValueForbidden',
  },
];

export const TRAINING_RULES: Rules = {
  '': [
    {
      rule: "!has(self.training) || has(self.training.labels) || 'finding' in self.quota.axes",
      message: 'is required, since spec.quota.axes has no finding; name the findings to learn',
      fieldPath: '.training.labels',
      reason: 'FieldValueRequired',
    },
  ],
  training: compareRules,
  'training.labels': [
    { rule: `!('${NO_FINDING}' in self)`, message: `${NO_FINDING} is learned in any case; remove it` },
  ],
  'training.ageBins.[]': [binRule],
  'training.stages': [
    {
      rule: 'self.all(i, stage, !has(stage.from) || self.exists(j, other, j < i && other.name == stage.from))',
      message: 'from of a stage must name a stage that comes before it',
    },
  ],
  'training.stages.[]': stageRules,
  'training.stages.[].hyperparameters': [
    {
      rule: '!has(self.steps) || !has(self.epochs)',
      message: 'says how long to train, and so does epochs; remove one of the two',
      fieldPath: '.steps',
      reason: 'FieldValueForbidden',
    },
  ],
  'training.evaluation.sites.[].name': [
    { rule: `self != '${POOLED}'`, message: 'stands for all sites together; choose another name' },
  ],
};
