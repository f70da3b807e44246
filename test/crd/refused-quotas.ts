import { ALLOCATION, CLASSIFIER, deficitWith, gates, QUOTA, type Refused, TABLE, tableWith } from './verdicts.ts';

/** Resources whose quota, or form, is wrong. */
export const QUOTAS_REFUSED: readonly Refused[] = [
  {
    name: 'text for a number',
    changes: { 'spec.seed': '7' },
    causes: [['spec.seed', /must be of type integer: "string"/]],
  },
  {
    name: 'part of a step',
    changes: { 'spec.model.sampling.steps': 20.5 },
    causes: [['spec.model.sampling.steps', /must be of type integer/]],
  },
  {
    name: 'no samples at all',
    changes: { 'spec.quota.samples': 0 },
    causes: [['spec.quota.samples', /greater than or equal to 1/]],
  },
  {
    name: 'samples left out',
    changes: { 'spec.quota.samples': undefined },
    causes: [['spec.quota.samples', /is required; write a whole number of images/]],
  },
  { name: 'a section left out', changes: { 'spec.output': undefined }, causes: [['spec.output', /Required value/]] },
  {
    name: 'a name that no shard can have',
    changes: { 'metadata.name': 'small.data' },
    causes: [['metadata.name', /should match/]],
  },
  {
    name: 'an unknown strategy',
    changes: { 'spec.quota.allocation.strategy': 'Random' },
    causes: [['spec.quota.allocation.strategy', /supported values: "Balanced", "Marginals"/]],
  },
  {
    name: 'an axis of both kinds, and one of none',
    changes: { 'spec.quota.axes.sex': { values: ['f'], bins: ['1-2'] }, 'spec.quota.axes.race': {} },
    causes: [
      ['spec.quota.axes[race]', /has both values and bins, or neither/],
      ['spec.quota.axes[sex]', /has both values and bins, or neither/],
    ],
  },
  {
    name: 'no axes',
    changes: { 'spec.quota.axes': {}, 'spec.prompt': { template: 'A chest X-ray' } },
    causes: [['spec.quota.axes', /is empty; name at least one axis/]],
  },
  {
    name: 'an axis with a capital letter',
    changes: { 'spec.quota.axes.Race': { values: ['a'] } },
    causes: [['spec.quota.axes', /must be a-z, 0-9 and _/]],
  },
  {
    name: 'an axis named as the phrase',
    changes: { 'spec.quota.axes.impression': { values: ['a'] } },
    causes: [['spec.quota.axes', /call the axis something else/]],
  },
  {
    name: 'a value twice',
    changes: { 'spec.quota.axes.sex.values': ['male', 'female', 'male'] },
    causes: [['spec.quota.axes[sex].values[2]', /Duplicate value: "male"/]],
  },
  {
    name: 'a combination of a value that the axis does not have',
    changes: { 'spec.quota.axes.sex.combinations': [['female', 'other']] },
    causes: [['spec.quota.axes[sex].combinations', /a value that the axis does not have/]],
  },
  {
    name: 'a combination of a value with itself',
    changes: { 'spec.quota.axes.sex.combinations': [['female', 'female']] },
    causes: [['spec.quota.axes[sex].combinations[0]', /names a value twice/]],
  },
  {
    name: 'a combination with no finding',
    changes: { 'spec.quota.axes.finding.combinations': [['no-finding', 'edema']] },
    causes: [['spec.quota.axes[finding].combinations[0]', /combines no-finding with a finding/]],
  },
  {
    name: 'combinations of ages',
    changes: { 'spec.quota.axes.age.combinations': [['a', 'b']] },
    causes: [['spec.quota.axes[age].combinations', /an axis of bins has none/]],
  },
  {
    name: 'a value that reads as a combination',
    changes: { 'spec.quota.axes.sex': { values: ['a', 'b', 'a+b'], combinations: [['a', 'b']] } },
    causes: [['spec.quota.axes[sex].values', /must not hold \+/]],
  },
  {
    name: 'a bin that ends before it begins',
    changes: { 'spec.quota.axes.age.bins': ['18-39', '90-40'] },
    causes: [['spec.quota.axes[age].bins[1]', /ends before it begins/]],
  },
  {
    name: 'a bin in words',
    changes: { 'spec.quota.axes.age.bins': ['ten'] },
    causes: [['spec.quota.axes.age.bins[0]', /should match/]],
  },
  {
    name: 'an exclusion of everything',
    changes: { 'spec.quota.exclude': [{}] },
    causes: [['spec.quota.exclude[0]', /would exclude every cell/]],
  },
  {
    name: 'an exclusion of a value that there is not',
    changes: { 'spec.quota.exclude': [{ finding: 'odema' }] },
    causes: [['spec.quota.exclude', /names an axis or a value that spec.quota.axes does not have/]],
  },
  {
    name: 'an exclusion on an axis that there is not',
    changes: { 'spec.quota.exclude': [{ smoker: 'yes' }] },
    causes: [['spec.quota.exclude', /names an axis or a value/]],
  },
  {
    name: 'parameters of another strategy, and none of its own',
    changes: { [ALLOCATION]: { strategy: 'Marginals', cells: [{ cell: { sex: 'male' }, weight: 1 }] } },
    causes: [
      [`${ALLOCATION}.shares`, /is required by strategy Marginals/],
      [`${ALLOCATION}.cells`, /belongs to strategy Cells; remove it/],
    ],
  },
  {
    name: 'weights of a cell that there is not',
    changes: { [ALLOCATION]: { strategy: 'Cells', cells: [{ cell: { sex: 'm' }, weight: 1 }] } },
    causes: [[`${ALLOCATION}.cells`, /names an axis or a value/]],
  },
  {
    name: 'shares that do not add up',
    changes: { [ALLOCATION]: { strategy: 'Marginals', shares: { sex: { female: 0.5, male: 0.4 } } } },
    causes: [[`${ALLOCATION}.shares[sex]`, /must add up to 1/]],
  },
  {
    name: 'shares without one value',
    changes: { [ALLOCATION]: { strategy: 'Marginals', shares: { age: { '18-39': 1 } } } },
    causes: [[`${ALLOCATION}.shares`, /one share for each value/]],
  },
  {
    name: 'shares of a value that there is not',
    changes: { [ALLOCATION]: { strategy: 'Marginals', shares: { sex: { female: 1, male: 0, x: 0 } } } },
    causes: [[`${ALLOCATION}.shares`, /one share for each value/]],
  },
  {
    name: 'shares of an axis that there is not',
    changes: { [ALLOCATION]: { strategy: 'Marginals', shares: { race: { WHITE: 1 } } } },
    causes: [[`${ALLOCATION}.shares`, /names an axis that/]],
  },
  {
    name: 'a cohort without columns',
    changes: { [ALLOCATION]: { strategy: 'Complement', cohort: { uri: 'c.csv', columns: {} } } },
    causes: [[`${ALLOCATION}.cohort.columns`, /is empty/]],
  },
  {
    name: 'a table without all columns',
    changes: { ...tableWith({ columns: { sex: { name: 'Sex' } } }) },
    causes: [[`${ALLOCATION}.table.columns`, /for each axis the column/]],
  },
  {
    name: 'a column of bins with values',
    changes: { ...tableWith({ columns: { ...TABLE.columns, age: { name: 'A', values: { x: '18-39' } } } }) },
    causes: [[`${ALLOCATION}.table.columns`, /a number finds its own/]],
  },
  {
    name: 'a least number of images for a table',
    changes: { ...tableWith({}), 'spec.quota.minPerCell': 1 },
    causes: [[`${QUOTA}.minPerCell`, /means nothing with strategy Table/]],
  },
  {
    name: 'Deficit without an evaluation',
    changes: { [ALLOCATION]: { strategy: 'Deficit' } },
    causes: [[`${ALLOCATION}.evaluation`, /is required by strategy Deficit/]],
  },
  {
    name: 'an evaluation of another strategy',
    changes: { [ALLOCATION]: { evaluation: { uri: 'm.json' } } },
    causes: [[`${ALLOCATION}.evaluation`, /belongs to strategy Deficit; remove it/]],
  },
  {
    name: 'groups and labels that there are not, and a cap below the floor',
    changes: {
      ...deficitWith({ groups: { race: { name: 'race' } }, labels: { nodule: 'Nodule' }, maxPerCell: 1 }),
      'spec.quota.minPerCell': 2,
    },
    causes: [
      [`${ALLOCATION}.evaluation.groups`, /names an axis that spec.quota.axes does not have/],
      [`${ALLOCATION}.evaluation.labels`, /names a value that the axis finding does not have/],
      [`${ALLOCATION}.evaluation.maxPerCell`, /is below spec.quota.minPerCell/],
    ],
  },
  {
    name: 'the finding as a group',
    changes: deficitWith({ groups: { finding: { name: 'label' } } }),
    causes: [[`${ALLOCATION}.evaluation.groups`, /or finding, which belongs into labels/]],
  },
  {
    name: 'an evaluation without groups',
    changes: deficitWith({ groups: {} }),
    causes: [[`${ALLOCATION}.evaluation`, /groups or labels are empty/]],
  },
  {
    name: 'an evaluation without findings',
    changes: {
      ...deficitWith({}),
      'spec.quota.axes': { sex: { values: ['female', 'male'] } },
      'spec.prompt': { template: '{sex}' },
    },
    causes: [[`${ALLOCATION}.evaluation`, /needs an axis finding/]],
  },
  {
    name: 'pairs of an axis that there is not',
    changes: { 'spec.quota.pairs': { axis: 'race' } },
    causes: [[`${QUOTA}.pairs.axis`, /names an axis that spec.quota.axes does not have/]],
  },
  {
    name: 'pairs of an axis of one value',
    changes: { 'spec.quota.pairs': { axis: 'sex' }, 'spec.quota.axes.sex.values': ['female'] },
    causes: [[`${QUOTA}.pairs.axis`, /names an axis of one value/]],
  },
  {
    name: 'pairs that are cut in two, and a gate of their name',
    changes: {
      'spec.quota.samples': 17,
      'spec.quota.pairs': { axis: 'sex' },
      ...gates({ ...CLASSIFIER, name: 'pair' }),
    },
    causes: [
      [`${QUOTA}.samples`, /is not a multiple of the number of values/],
      ['spec.output.shard.samples', /a pair lies in one shard/],
      ['spec.quality.gates', /choose another name for the gate/],
    ],
  },
  {
    name: 'pairs of a table',
    changes: { ...tableWith({}), 'spec.quota.pairs': { axis: 'sex' }, 'spec.output.shard.samples': 6 },
    causes: [[`${QUOTA}.pairs`, /means nothing with strategy Table/]],
  },
  {
    name: 'a dataset to extend that is no manifest',
    changes: { 'spec.extends': { manifest: 's3://cohorts/one' } },
    causes: [['spec.extends.manifest', /should match/]],
  },
];
