import {
  CLASSIFIER,
  ENCODER,
  FINETUNE,
  gates,
  NOVELTY,
  PRETRAIN,
  REGRESSOR,
  type Refused,
  SITES_TO_MEASURE,
  tableWith,
  training,
} from './verdicts.ts';

/** Resources whose sections do not belong together. */
export const SECTIONS_REFUSED: readonly Refused[] = [
  {
    name: 'a Novelty gate that refuses nothing',
    changes: { ...ENCODER, ...gates({ ...NOVELTY, against: 'Cohort', enforce: false }) },
    causes: [['spec.quality.gates[0].enforce', /belongs to a gate with a model/]],
  },
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
    name: 'guidance that stops before it starts',
    changes: { 'spec.model.sampling.guidanceInterval': { start: 0.5, stop: 0.5 } },
    causes: [['spec.model.sampling.guidanceInterval', /stop must be larger/]],
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
    causes: [['spec.prompt.impressions', /a value that the axis finding does not have/]],
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
    name: 'a Classifier of no axis and no model',
    changes: gates({ name: 'sex', type: 'Classifier' }),
    causes: [
      ['spec.quality.gates[0].axis', /is required, but for a Novelty gate/],
      ['spec.quality.gates[0].modelUri', /is required, but for a Novelty gate/],
    ],
  },
  {
    name: 'a Classifier with fields of a Novelty gate',
    changes: gates({ ...CLASSIFIER, against: 'Cohort', threshold: 0.1, quantile: 0.1 }),
    causes: [
      ['spec.quality.gates[0].against', /belongs to a Novelty gate/],
      ['spec.quality.gates[0].quantile', /belongs to a Novelty gate/],
      ['spec.quality.gates[0].threshold', /belongs to a Novelty gate/],
    ],
  },
  {
    name: 'a Novelty gate that says nothing, with fields of another type',
    changes: { ...ENCODER, ...gates({ name: 'copies', type: 'Novelty', axis: 'sex', modelUri: 'm', tolerance: 1 }) },
    causes: [
      ['spec.quality.gates[0].against', /is required for a Novelty gate/],
      ['spec.quality.gates[0].axis', /does not belong to a Novelty gate/],
      ['spec.quality.gates[0].modelUri', /does not belong to a Novelty gate/],
      ['spec.quality.gates[0].threshold', /is required for a Novelty gate/],
      ['spec.quality.gates[0].tolerance', /does not belong to a Novelty gate/],
    ],
  },
  {
    name: 'a Novelty gate against training images without their features, nor an encoder',
    changes: gates(NOVELTY),
    causes: [
      ['spec.quality.encoder', /is required by a Novelty gate/],
      ['spec.quality.reference', /is required by a Novelty gate against Training/],
    ],
  },
  {
    name: 'a Novelty gate with two thresholds',
    changes: { ...ENCODER, ...gates({ ...NOVELTY, against: 'Cohort', quantile: 0.1 }) },
    causes: [
      ['spec.quality.gates[0].quantile', /cannot be given beside threshold/],
      ['spec.quality.gates[0].quantile', /belongs to against: Training/],
    ],
  },
  {
    name: 'no two alike, and pairs that are alike',
    changes: { ...ENCODER, ...gates({ ...NOVELTY, against: 'Cohort' }), 'spec.quota.pairs': { axis: 'sex' } },
    causes: [['spec.quality.gates', /would refuse the members of pairs/]],
  },
  {
    name: 'a reference without the encoder that made it',
    changes: { 'spec.quality.reference': { uri: 'reference' } },
    causes: [['spec.quality.reference', /needs spec.quality.encoder/]],
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
    name: 'a gate for what is not a value',
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
  {
    name: 'a stage that begins with a later one',
    changes: training({ stages: [{ ...PRETRAIN, from: 'finetune' }, FINETUNE] }),
    causes: [['spec.training.stages', /must name a stage that comes before/]],
  },
  {
    name: 'a Finetune stage from nowhere and on nothing',
    changes: training({ stages: [PRETRAIN, { name: 'finetune', type: 'Finetune' }] }),
    causes: [
      ['spec.training.stages[1].from', /is required for Finetune/],
      ['spec.training.stages[1].data', /is required for Finetune/],
    ],
  },
  {
    name: 'two stages of one name',
    changes: training({ stages: [PRETRAIN, PRETRAIN] }),
    causes: [['spec.training.stages[1]', /Duplicate value/]],
  },
  {
    name: 'a stage of a name that is taken',
    changes: training({ stages: [{ ...PRETRAIN, name: 'compare' }] }),
    causes: [['spec.training.stages[0].name', /choose another name/]],
  },
  {
    name: 'epochs and steps',
    changes: training({ stages: [{ ...PRETRAIN, hyperparameters: { epochs: 1, steps: 2 } }] }),
    causes: [['spec.training.stages[0].hyperparameters.steps', /remove one of the two/]],
  },
  {
    name: 'a pod template beside a runtime',
    changes: training({ stages: [{ ...PRETRAIN, runtimeRef: { name: 'torch' }, podTemplate: {} }] }),
    causes: [['spec.training.stages[0].podTemplate', /has no effect with runtimeRef/]],
  },
  {
    name: 'a comparison with nothing, on nothing',
    changes: training({ stages: [PRETRAIN], compare: ['RealOnly'] }),
    causes: [
      ['spec.training.compare', /needs a Pretrain and a Finetune stage/],
      ['spec.training.compare', /needs real images/],
    ],
  },
  {
    name: 'a stage that is called like the runs of the comparison',
    changes: training({
      stages: [
        { ...PRETRAIN, name: 'compare-runs' },
        { ...FINETUNE, from: 'compare-runs' },
      ],
      evaluation: SITES_TO_MEASURE,
      compare: ['RealOnly'],
      compareParallelism: 2,
    }),
    causes: [['spec.training.stages', /called like the runs of the comparison/]],
  },
  {
    name: 'a baseline twice',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['RealOnly', 'RealOnly'],
    }),
    causes: [['spec.training.compare[1]', /Duplicate value/]],
  },
  {
    name: 'two synthetic cohorts of one name, and a primary contrast of another one',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['Mixed'],
      synthetic: [{ name: 'matched' }, { name: 'matched' }],
      primary: { synthetic: 'balanced' },
    }),
    causes: [['spec.training.synthetic[1]', /Duplicate value/]],
  },
  {
    name: 'a primary contrast of a synthetic cohort that is not there',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['Mixed'],
      primary: { synthetic: 'balanced' },
    }),
    causes: [['spec.training.primary.synthetic', /remove it where there is none/]],
  },
  {
    name: 'two synthetic cohorts of the same images',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['Mixed'],
      synthetic: [{ name: 'balanced' }, { name: 'matched' }],
    }),
    causes: [['spec.training.synthetic', /two entries without uri/]],
  },
  {
    name: 'shares of arms that are not compared',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['RealOnly'],
      mixedShare: 0.5,
      replayShare: 0.1,
    }),
    causes: [
      ['spec.training.mixedShare', /has no effect without Mixed or MixedFinetune/],
      ['spec.training.replayShare', /has no effect without PretrainFinetuneReplay/],
    ],
  },
  {
    name: 'synthetic cohorts that are not compared',
    changes: training({ stages: [PRETRAIN, FINETUNE], synthetic: [{ name: 'balanced' }] }),
    causes: [['spec.training.synthetic', /has no effect without/]],
  },
  {
    name: 'a primary contrast that is not measured',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['SyntheticOnly'],
      primary: { minus: 'SyntheticOnly', initialisation: 'Weights' },
    }),
    causes: [
      ['spec.training.primary.minus', /must be in spec.training.compare/],
      ['spec.training.primary.initialisation', /needs given weights/],
    ],
  },
  {
    name: 'a primary contrast without a baseline that is compared',
    changes: training({
      stages: [PRETRAIN, FINETUNE],
      evaluation: SITES_TO_MEASURE,
      compare: ['SyntheticOnly'],
      primary: {},
    }),
    causes: [['spec.training.primary', /nothing to compare PretrainFinetune with/]],
  },
  {
    name: 'a site that is called like all of them',
    changes: training({ evaluation: { sites: [{ name: 'pooled', uri: 's3://real/a' }] } }),
    causes: [['spec.training.evaluation.sites[0].name', /is the name of all sites/]],
  },
  {
    name: 'no-finding as a finding',
    changes: training({ labels: ['edema', 'no-finding'] }),
    causes: [['spec.training.labels', /is learned in any case/]],
  },
  {
    name: 'a subgroup of age that ends before it begins',
    changes: training({ ageBins: ['40-20'] }),
    causes: [['spec.training.ageBins[0]', /ends before it begins/]],
  },
  {
    name: 'nothing to learn',
    changes: {
      'spec.quota.axes.finding': undefined,
      'spec.prompt': { template: '{sex}' },
      ...training({ stages: [PRETRAIN] }),
    },
    causes: [['spec.training.labels', /is required/]],
  },
];
