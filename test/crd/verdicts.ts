/**
 * Resources and what becomes of them, for the one reader (`parseDataset`) and the other (the API server). Each is the base
 * document of test/support/spec.ts with some fields changed.
 */
export interface Case {
  readonly name: string;
  readonly changes: Readonly<Record<string, unknown>>;
}

export interface Refused extends Case {
  /** The answer of the API server: one entry for each fault, the field and a part of the message. */
  readonly causes: readonly (readonly [field: string, message: RegExp])[];
}

export const REGRESSOR = { name: 'age', axis: 'age', type: 'Regressor', modelUri: 'gates/age', tolerance: 16 };
export const ENCODER = { 'spec.quality.encoder': { modelUri: 'encoder' } };
export const NOVELTY = { name: 'copies', type: 'Novelty', against: 'Training', threshold: 0.1 };
export const CLASSIFIER = { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'gates/sex' };
export const gates = (...changed: object[]) => ({ 'spec.quality.gates': changed });
export const TABLE = {
  uri: 't.csv',
  columns: { sex: { name: 'Sex' }, age: { name: 'Age' }, finding: { name: 'Finding', separator: '|' } },
};
export const tableWith = (changed: object) => ({
  'spec.quota.allocation': { strategy: 'Table', table: { ...TABLE, ...changed } },
});

export const deficitWith = (changed: object) => ({
  'spec.quota.allocation': { strategy: 'Deficit', evaluation: { uri: 'metrics.json', ...changed } },
});

export const PRETRAIN = { name: 'pretrain', type: 'Pretrain' };
export const FINETUNE = { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://real/train' };
export const SITES_TO_MEASURE = { sites: [{ name: 'site-a', uri: 's3://real/site-a' }] };
export const training = (section: object) => ({ 'spec.training': section });

export const [ALLOCATION, QUOTA] = ['spec.quota.allocation', 'spec.quota'];

const SITES = Array.from({ length: 1000 }, (_, i) => `site-${i}`);
const CELLS = SITES.flatMap((site) => ['female', 'male'].map((sex) => ({ site, sex, age: '18-39' })));

export const ACCEPTED: readonly Case[] = [
  { name: 'the base resource', changes: {} },
  { name: 'features of images without any gate on them', changes: ENCODER },
  {
    name: 'no copies of training images, nor of earlier images',
    changes: {
      ...ENCODER,
      'spec.quality.reference': { uri: 'reference' },
      ...gates(
        CLASSIFIER,
        { ...NOVELTY, threshold: undefined, quantile: 0.01 },
        { ...NOVELTY, name: 'duplicates', against: 'Cohort', threshold: 0.05 },
      ),
    },
  },
  {
    name: 'a resource near its bounds, whose rules cost most',
    changes: {
      'spec.quota.axes.site': { values: SITES },
      'spec.quota.exclude': CELLS,
      [ALLOCATION]: { strategy: 'Cells', cells: CELLS.map((cell) => ({ cell, weight: 1 })) },
      ...gates({ ...CLASSIFIER, axis: 'site', classes: SITES, appliesTo: SITES }),
    },
  },
  {
    name: 'findings that are shown together, with phrases of their own',
    changes: {
      'spec.quota.axes.finding.values': ['no-finding', 'edema', 'effusion'],
      'spec.quota.axes.finding.combinations': [['edema', 'effusion']],
      'spec.quota.exclude': [{ finding: 'edema+effusion', sex: 'male' }],
      'spec.prompt.impressions': {
        'no-finding': ['Normal .'],
        edema: ['Edema .'],
        effusion: ['Effusion .'],
        'edema+effusion': ['Edema with effusions .'],
      },
    },
  },
  {
    name: 'shares for some axes, one of them 0',
    changes: {
      [ALLOCATION]: {
        strategy: 'Marginals',
        shares: { sex: { female: 0.9, male: 0.1 }, age: { '18-39': 1, '40-90': 0 } },
      },
    },
  },
  {
    name: 'shares that a person rounded',
    changes: { [ALLOCATION]: { strategy: 'Marginals', shares: { sex: { female: 0.3333333, male: 0.6666667 } } } },
  },
  {
    name: 'weights of partial cells',
    changes: {
      [ALLOCATION]: {
        strategy: 'Cells',
        cells: [
          { cell: { sex: 'male', age: '40-90' }, weight: 2 },
          { cell: {}, weight: 0.5 },
        ],
      },
    },
  },
  {
    name: 'a cohort to complement',
    changes: {
      [ALLOCATION]: {
        strategy: 'Complement',
        cohort: { uri: 'c.csv', columns: { sex: { name: 'G', values: { F: 'female' } } } },
      },
    },
  },
  {
    name: 'what an evaluation says is missed',
    changes: {
      ...deficitWith({
        model: 'finetune',
        site: 'pooled',
        groups: { sex: { name: 'gender', values: { F: 'female' } }, age: { name: 'age' } },
        labels: { edema: 'Edema' },
        power: 0.5,
        maxPerCell: 4,
      }),
      'spec.quota.minPerCell': 1,
    },
  },
  {
    name: 'pairs of an axis of names, and of one of numbers',
    changes: { 'spec.quota.pairs': { axis: 'age' }, 'spec.output.shard.samples': 6 },
  },
  {
    name: 'a table, whose rows are the samples',
    changes: { ...tableWith({ idColumn: 'id' }), 'spec.quota.samples': undefined },
  },
  {
    name: 'a table with impressions',
    changes: { ...tableWith({ impressionColumn: 'text' }), 'spec.prompt.impressions': undefined },
  },
  {
    name: 'exclusions',
    changes: {
      'spec.quota.exclude': [
        { finding: 'edema', age: '18-39' },
        { sex: 'male', age: '40-90' },
      ],
      'spec.quota.minPerCell': 1,
    },
  },
  {
    name: 'gates of both types',
    changes: gates(REGRESSOR, CLASSIFIER, {
      ...CLASSIFIER,
      name: 'sex-2',
      classes: ['female', 'other'],
      appliesTo: ['female'],
    }),
  },
  { name: 'a template without an impression', changes: { 'spec.prompt': { template: '{sex}, {age}' } } },
  {
    name: 'impressions from a file',
    changes: { 'spec.prompt.impressions': undefined, 'spec.prompt.impressionsFrom': { uri: 'p.csv' } },
  },
  {
    name: 'as many attempts as there are seeds',
    changes: { 'spec.quota.samples': 2 ** 29, 'spec.output.shard.samples': 1000 },
  },
  {
    name: 'an S3 server of its own',
    changes: { 'spec.output.s3': { endpoint: 'http://minio:9000', credentialsSecretRef: { name: 's3' } } },
  },
  {
    name: 'fragments of pods',
    changes: {
      'spec.workers': { resources: { limits: { 'nvidia.com/gpu': 1 } }, podTemplate: { spec: { dnsPolicy: 'None' } } },
    },
  },
  {
    name: 'training',
    changes: training({
      architecture: 'resnet18',
      stages: [
        { ...PRETRAIN, env: [{ name: 'A', value: 'b' }], hyperparameters: { steps: 100 } },
        { ...FINETUNE, hyperparameters: { epochs: 5, learningRate: 1e-5 }, runtimeRef: { name: 'torch' } },
      ],
      evaluation: SITES_TO_MEASURE,
      compare: ['RealOnly', 'Mixed'],
      synthetic: [{ name: 'balanced' }, { name: 'matched', uri: 's3://cohorts/matched' }],
      primary: { synthetic: 'matched' },
      compareParallelism: 4,
    }),
  },
];

/** Rules that CEL cannot express: the API server accepts it, and the operator refuses it when it reads the resource. */
export const REFUSED_BY_PARSE_ONLY: readonly Case[] = [
  { name: 'bins that overlap', changes: { 'spec.quota.axes.age.bins': ['18-39', '39-90'] } },
  { name: 'subgroups of age that overlap', changes: training({ ageBins: ['18-39', '39-90'] }) },
  {
    name: 'a set of findings in another order twice',
    changes: {
      'spec.quota.axes.finding.values': ['no-finding', 'edema', 'effusion'],
      'spec.quota.axes.finding.combinations': [
        ['edema', 'effusion'],
        ['effusion', 'edema'],
      ],
      'spec.prompt.impressions.effusion': ['Effusion .'],
    },
  },
  {
    name: 'more cells than any cohort fills',
    changes: {
      'spec.quota.axes.age.bins': Array.from({ length: 1000 }, (_, i) => `${i}-${i}`),
      'spec.quota.axes.height': { bins: Array.from({ length: 300 }, (_, i) => `${i}-${i}`) },
    },
  },
  {
    name: 'a column that calls something a value which is none',
    changes: tableWith({ columns: { ...TABLE.columns, sex: { name: 'Sex', values: { F: 'woman' } } } }),
  },
];
