import { isKnown, namesOf, type Rule, type Rules, withKnown } from './rule.ts';

/** What a quota says about itself: check-quota.ts and check-allocation.ts, as far as CEL reaches. */

/** Parameters of an allocation and the strategy that each belongs to. */
const PARAMETERS = { shares: 'Marginals', cells: 'Cells', cohort: 'Complement', table: 'Table' } as const;

const strategyRules = Object.entries(PARAMETERS).flatMap(([field, owner]): Rule[] => [
  {
    rule: `self.strategy != '${owner}' || has(self.${field})`,
    message: `is required by strategy ${owner}`,
    fieldPath: `.${field}`,
    reason: 'FieldValueRequired',
  },
  {
    rule: `self.strategy == '${owner}' || !has(self.${field})`,
    message: `belongs to strategy ${owner}; remove it or change the strategy`,
    fieldPath: `.${field}`,
    reason: 'FieldValueForbidden',
  },
]);

const axesRules: readonly Rule[] = [
  { rule: 'self.size() > 0', message: 'is empty; name at least one axis, such as sex: {values: [female, male]}' },
  {
    rule: "self.all(name, name.matches('^[a-z][a-z0-9_]{0,31}$'))",
    message: 'has a name that no axis can have: it must be a-z, 0-9 and _, at most 32, a letter first',
  },
  {
    rule: "!('impression' in self)",
    message: 'impression is the phrase in a prompt; call the axis something else, such as finding',
  },
];

export const binRule: Rule = {
  rule: "!self.matches('^[0-9]+-[0-9]+$') || int(self.split('-')[0]) <= int(self.split('-')[1])",
  message: 'ends before it begins; write the lower number first',
};

const wholeRules: readonly Rule[] = [
  {
    rule: "self.allocation.strategy == 'Table' || has(self.samples)",
    message: 'is required; write a whole number of images',
    fieldPath: '.samples',
    reason: 'FieldValueRequired',
  },
  {
    rule: "self.allocation.strategy != 'Table' || self.minPerCell == 0",
    message: 'means nothing with strategy Table; remove it',
    fieldPath: '.minPerCell',
  },
  {
    rule: withKnown('self.axes', `self.exclude.all(cell, ${isKnown('cell')})`),
    message: 'names an axis or a value that spec.quota.axes does not have',
    fieldPath: '.exclude',
  },
  {
    rule: `!has(self.allocation.cells) || ${withKnown('self.axes', `self.allocation.cells.all(entry, ${isKnown('entry.cell')})`)}`,
    message: 'names an axis or a value that spec.quota.axes does not have',
    fieldPath: '.allocation.cells',
  },
];

const sharesRules: readonly Rule[] = [
  {
    rule: '!has(self.allocation.shares) || self.allocation.shares.all(name, name in self.axes)',
    message: 'names an axis that spec.quota.axes does not have',
    fieldPath: '.allocation.shares',
  },
  {
    rule: `!has(self.allocation.shares) || self.allocation.shares.all(name, !(name in self.axes) ||
(${namesOf('self.axes[name]')}.size() == self.allocation.shares[name].size() &&
${namesOf('self.axes[name]')}.all(value, value in self.allocation.shares[name])))`,
    message: 'must have one share for each value of its axis (0 is allowed), and no other',
    fieldPath: '.allocation.shares',
  },
];

/** The shares of one axis; what a person rounds away is forgiven. */
const sumRule: Rule = {
  rule: '[self.map(value, self[value]).sum()].all(total, total > 0.999999 && total < 1.000001)',
  message: 'the shares of an axis must add up to 1',
};

const columnsRules = (['cohort', 'table'] as const).flatMap((source): Rule[] => {
  const [given, columns] = [`has(self.allocation.${source})`, `self.allocation.${source}.columns`];
  return [
    {
      rule: `!${given} || ${columns}.all(name, name in self.axes)`,
      message: 'names an axis that spec.quota.axes does not have',
      fieldPath: `.allocation.${source}.columns`,
    },
    {
      rule: `!${given} || ${columns}.all(name, !has(${columns}[name].values) || !(name in self.axes) || !has(self.axes[name].bins))`,
      message: 'gives values for an axis that has bins, where a number finds its own; remove them',
      fieldPath: `.allocation.${source}.columns`,
    },
  ];
});

const tableRule: Rule = {
  rule: '!has(self.allocation.table) || self.axes.all(name, name in self.allocation.table.columns)',
  message: 'must name for each axis the column that holds it',
  fieldPath: '.allocation.table.columns',
};

export const QUOTA_RULES: Rules = {
  quota: [...wholeRules, ...sharesRules, ...columnsRules, tableRule],
  'quota.axes': axesRules,
  'quota.axes.*': [
    {
      rule: 'has(self.values) != has(self.bins)',
      message: 'has both values and bins, or neither; give exactly one of the two',
    },
  ],
  'quota.axes.*.bins.[]': [binRule],
  'quota.exclude.[]': [
    { rule: 'self.size() > 0', message: 'is empty and would exclude every cell; remove it or name an axis' },
  ],
  'quota.allocation': strategyRules,
  'quota.allocation.shares.*': [sumRule],
  'quota.allocation.cohort.columns': [
    { rule: 'self.size() > 0', message: 'is empty; name the column of at least one axis' },
  ],
};
