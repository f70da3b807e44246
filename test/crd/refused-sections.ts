import { CLASSIFIER, gates, REGRESSOR, type Refused, tableWith } from './verdicts.ts';

/** Resources whose sections do not belong together. */
export const SECTIONS_REFUSED: readonly Refused[] = [
  {
    name: 'impressions of the table and of the resource',
    changes: tableWith({ impressionColumn: 'text' }),
    causes: [['spec.prompt.impressions', /is not used/]],
  },
  {
    name: 'impressions from two places',
    changes: { 'spec.prompt.impressionsFrom': { uri: 'p.csv' } },
    causes: [['spec.prompt.impressionsFrom', /given twice/]],
  },
  {
    name: 'a template of unknown names',
    changes: { 'spec.prompt.template': '{ages}' },
    causes: [['spec.prompt.template', /must be axes of spec.quota.axes/]],
  },
  {
    name: 'the default template for other axes',
    changes: { 'spec.prompt.template': undefined },
    causes: [['spec.prompt.template', /give a template if this is the default/]],
  },
  {
    name: 'a stray brace',
    changes: { 'spec.prompt.template': '{age} { year }' },
    causes: [['spec.prompt.template', /encloses no name/]],
  },
  {
    name: 'a line break in a template',
    changes: { 'spec.prompt.template': 'a\nb' },
    causes: [['spec.prompt.template', /should match/]],
  },
  {
    name: 'impressions without findings',
    changes: { 'spec.quota.axes.finding': undefined },
    causes: [['spec.prompt.template', /needs an axis finding/]],
  },
  {
    name: 'a finding without phrases',
    changes: { 'spec.prompt.impressions': { edema: ['Edema .'] } },
    causes: [['spec.prompt.impressions', /must have phrases for each value/]],
  },
  {
    name: 'phrases for no finding',
    changes: { 'spec.prompt.impressions.fracture': ['Fracture .'] },
    causes: [['spec.prompt.impressions', /no value of the axis finding/]],
  },
  {
    name: 'a gate of an axis that there is not',
    changes: gates({ ...CLASSIFIER, axis: 'race' }),
    causes: [['spec.quality.gates', /a gate names an axis/]],
  },
  {
    name: 'a gate twice',
    changes: gates(CLASSIFIER, CLASSIFIER),
    causes: [['spec.quality.gates', /two gates of one name/]],
  },
  {
    name: 'a gate of a name that is taken',
    changes: gates({ ...CLASSIFIER, name: 'degenerate' }),
    causes: [['spec.quality.gates[0].name', /choose another name/]],
  },
  {
    name: 'a Regressor without tolerance',
    changes: gates({ ...REGRESSOR, tolerance: undefined }),
    causes: [['spec.quality.gates[0].tolerance', /is required for a Regressor/]],
  },
  {
    name: 'a Regressor with classes',
    changes: gates({ ...REGRESSOR, classes: ['18-39'] }),
    causes: [['spec.quality.gates[0].classes', /belongs to a Classifier/]],
  },
  {
    name: 'a Regressor of values',
    changes: gates({ ...REGRESSOR, axis: 'sex' }),
    causes: [['spec.quality.gates', /a Regressor judges numbers/]],
  },
  {
    name: 'a Classifier with tolerance',
    changes: gates({ ...CLASSIFIER, tolerance: 1 }),
    causes: [['spec.quality.gates[0].tolerance', /belongs to a Regressor/]],
  },
  {
    name: 'a class twice',
    changes: gates({ ...CLASSIFIER, classes: ['male', 'female', 'male'] }),
    causes: [['spec.quality.gates[0].classes[2]', /Duplicate value/]],
  },
  {
    name: 'a class too few',
    changes: gates({ ...CLASSIFIER, classes: ['male'] }),
    causes: [['spec.quality.gates', /must hold each value/]],
  },
  {
    name: 'a gate for what is no value',
    changes: gates({ ...CLASSIFIER, appliesTo: ['man'] }),
    causes: [['spec.quality.gates', /appliesTo of a gate/]],
  },
  {
    name: 'more attempts than seeds',
    changes: { 'spec.quota.samples': 2 ** 29 + 1 },
    causes: [
      ['spec.quality.maxAttempts', /more than the 4294967296 seeds/],
      ['spec.output.shard.samples', /more than 1000000 shards/],
    ],
  },
  {
    name: 'an endpoint that is no URL',
    changes: { 'spec.output.s3': { endpoint: 'localhost:9000' } },
    causes: [['spec.output.s3.endpoint', /should match/]],
  },
];
