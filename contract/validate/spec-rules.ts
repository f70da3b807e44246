import { DEGENERATE, MAX_SHARDS } from '../names.ts';
import { SEED_SPACE } from '../plan/seeds.ts';
import { asKeys, namesOf, type Rule, type Rules, withKnown, withName } from './rule.ts';

/** How the sections of a spec belong together: check-prompt.ts and check-quality.ts as CEL. */

const fromTable = '(has(self.quota.allocation.table) && has(self.quota.allocation.table.impressionColumn))';
const usesImpression = "self.prompt.template.contains('{impression}')";
const PLACEHOLDER = '[{][A-Za-z_][A-Za-z0-9_]*[}]';

const sourceRules = (['impressions', 'impressionsFrom'] as const).map(
  (field): Rule => ({
    rule: `!${fromTable} || !has(self.prompt.${field})`,
    message: 'is not used: spec.quota.allocation.table.impressionColumn gives the impressions; remove one of the two',
    fieldPath: `.prompt.${field}`,
    reason: 'FieldValueForbidden',
  }),
);

const promptRules: readonly Rule[] = [
  {
    rule: `self.prompt.template.findAll('${PLACEHOLDER}').all(found, found == '{impression}' || found.substring(1, found.size() - 1) in self.quota.axes)`,
    message: 'names in braces must be axes of spec.quota.axes, or impression; give a template if this is the default',
    fieldPath: '.prompt.template',
  },
  {
    rule: `!${usesImpression} || ${fromTable} || 'finding' in self.quota.axes`,
    message: '{impression} needs an axis finding (or a table with impressionColumn); add one or remove it',
    fieldPath: '.prompt.template',
  },
  {
    rule: `!${usesImpression} || ${fromTable} || !('finding' in self.quota.axes) || has(self.prompt.impressionsFrom) ||
(has(self.prompt.impressions) && ${namesOf("self.quota.axes['finding']")}.all(value, value in self.prompt.impressions))`,
    message: 'must have phrases for each value of the axis finding; add a list for each',
    fieldPath: '.prompt.impressions',
  },
  {
    rule: `!has(self.prompt.impressions) || !('finding' in self.quota.axes) ||
self.prompt.impressions.all(value, value in ${namesOf("self.quota.axes['finding']")})`,
    message: 'has phrases for what is no value of the axis finding; remove them or add the value',
    fieldPath: '.prompt.impressions',
  },
];

const gatesRules: readonly Rule[] = [
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
    message: 'appliesTo of a gate names what is no value of its axis',
    fieldPath: '.quality.gates',
  },
  {
    rule: `self.quality.gates.all(gate, gate.type != 'Classifier' || !has(gate.classes) || !(gate.axis in self.quota.axes) || ${withName(
      'classes',
      asKeys('gate.classes'),
      `(has(gate.appliesTo) ? gate.appliesTo : ${namesOf('self.quota.axes[gate.axis]')}).all(value, value in classes)`,
    )})`,
    message: 'classes of a gate must hold each value of its axis, or each of appliesTo; add them or limit appliesTo',
    fieldPath: '.quality.gates',
  },
];

/** Every attempt has a seed of its own, and every shard a number. */
const numberRules: readonly Rule[] = [
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
];

const gateRules: readonly Rule[] = [
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
];

export const SPEC_RULES: Rules = {
  '': [...sourceRules, ...promptRules, ...gatesRules, ...numberRules],
  prompt: [
    {
      rule: '!has(self.impressions) || !has(self.impressionsFrom)',
      message: 'impressions are given twice; remove this or spec.prompt.impressions',
      fieldPath: '.impressionsFrom',
      reason: 'FieldValueForbidden',
    },
  ],
  'prompt.template': [
    {
      rule: `self.matches('^([^{}]|${PLACEHOLDER})*$')`,
      message: 'has a brace that encloses no name; write {name} without blanks or remove it',
    },
  ],
  'quality.gates': [
    {
      rule: 'self.all(gate, self.exists_one(other, other.name == gate.name))',
      message: 'has two gates of one name; remove or rename one',
    },
  ],
  'quality.gates.[]': gateRules,
  'quality.gates.[].name': [
    {
      rule: `self != '${DEGENERATE}'`,
      message: 'is what images that show nothing are counted under; choose another name',
    },
  ],
};
