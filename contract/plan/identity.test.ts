import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { documentWith, INPUTS } from '../../test/support/spec.ts';
import { digestOf } from '../digest.ts';
import { parseDataset } from '../validate/parse.ts';
import type { Parent } from './origin.ts';
import { makePlan, type PlanInputs } from './plan.ts';

const GATE = { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'gates/sex' };
const inputs: PlanInputs = { ...INPUTS, gateDigests: ['b'.repeat(64)] };
const START = {
  'spec.quality': { gates: [GATE] },
  'spec.quota.exclude': [
    { sex: 'male', finding: 'edema' },
    { age: '40-90', finding: 'edema' },
  ],
};

const digest = (changes: Record<string, unknown>, other: Partial<PlanInputs> = {}): string =>
  makePlan(parseDataset(documentWith({ ...START, ...changes })), { ...inputs, ...other }).digest;
const gate = (changes: object) => ({ 'spec.quality': { gates: [{ ...GATE, ...changes }] } });
const regressor = (changes: object) => gate({ axis: 'age', type: 'Regressor', tolerance: 9, ...changes });
const before = digest({});

test('the digest is that of the identity, which JSON keeps', () => {
  const plan = makePlan(parseDataset(documentWith()), INPUTS);
  assert.equal(digestOf(plan.identity), plan.digest);
  assert.equal(digestOf(JSON.parse(JSON.stringify(plan.identity))), plan.digest);
});

test('another spelling of the same resource is the same plan', () => {
  const respelled = `
spec:
  "output": {image: {quality: 95, format: jpeg}, 'shard': {samples: 5}, uri: "out/small"}
  quality:
    keepRejected: 0
    onExhausted: Fail
    maxAttempts: 8
    gates: [{type: Classifier, modelUri: gates/sex, axis: sex, name: sex, minProbability: 0.50, multiLabel: false, appliesTo: [male, female]}]
  model:
    sampling: {negativePrompt: '', guidanceScale: 7.5, steps: 2e1, scheduler: PNDM, width: 128, height: 0x80}
    executionProvider: auto
    uri: models/any
  quota:
    minPerCell: 0
    exclude:
    - {finding: "edema", age: '40-90'}
    - {finding: edema, sex: male}
    allocation: {strategy: Balanced}
    axes:
      finding: {values: [edema, no-finding]}
      age:
        bins:
        - 40-90
        - 18-39
      sex: {values: [male, female]}
    samples: 16
  prompt:
    impressions:
      edema: [Edema ., Mild edema ., Severe edema .]
      no-finding: [Normal ., Clear lungs .]
    template: '{age} year old {sex}. {impression}'
  suspend: false
  seed: 7
metadata: {name: small}
kind: SyntheticDataset
apiVersion: cohortfarm.dev/v1alpha1
`;
  assert.equal(makePlan(parseDataset(parse(respelled)), inputs).digest, before);
});

/** Changes that decide no byte of a shard. */
const SAME: Record<string, Record<string, unknown>> = {
  'where the output goes': { 'spec.output.uri': 's3://bucket/elsewhere', 'spec.output.s3': { region: 'eu-west-1' } },
  'where the models are': { 'spec.model.uri': 's3://models/m', ...gate({ modelUri: 's3://models/g' }) },
  'pins of digests': { 'spec.model.sha256': 'a'.repeat(64), ...gate({ sha256: 'b'.repeat(64) }) },
  'science 1.8: what the model and the gates were trained on': {
    'spec.model.trainedOn': [{ dataset: 'mimic-cxr-jpg', split: 'train' }],
    ...gate({ trainedOn: [{ dataset: 'chexpert' }] }),
  },
  'the execution provider': { 'spec.model.executionProvider': 'cpu' },
  'the farm': {
    'spec.workers': { replicas: 9, gpus: 4, batchSize: 16, checkpointSamples: 8, image: 'i', queueName: 'q' },
  },
  training: { 'spec.training': { stages: [{ name: 'pretrain', type: 'Pretrain' }] } },
  'suspension, deletion and time to live': {
    'spec.suspend': true,
    'spec.deletionPolicy': 'Delete',
    'spec.ttlSecondsAfterFinished': 60,
  },
  'A6: what happens when attempts are used up': { 'spec.quality': { gates: [GATE], onExhausted: 'Shortfall' } },
  'rejected images that are kept': { 'spec.quality': { gates: [GATE], keepRejected: 5 } },
  'namespace, labels and status': { 'metadata.namespace': 'n', 'metadata.labels': { a: 'b' }, status: {} },
};

for (const [name, changes] of Object.entries(SAME)) {
  test(`the digest does not cover ${name}`, () => assert.equal(digest(changes), before));
}

test('what means nothing to a kind of gate or image is not covered', () => {
  assert.equal(digest(regressor({})), digest(regressor({ minProbability: 0.9 })));
  const png = (quality: number) => digest({ 'spec.output.image': { format: 'png', quality } });
  assert.equal(png(95), png(10));
});

test('an exclusion, however it is written, is its cells', () => {
  const spelt = [
    { sex: 'male', finding: 'edema', age: '18-39' },
    { finding: 'edema', age: '40-90' },
  ];
  assert.equal(digest({ 'spec.quota.exclude': spelt }), before);
  const cells = (weight: number) => [
    { cell: { finding: 'no-finding' }, weight },
    { cell: { finding: 'edema', age: '18-39', sex: 'female' }, weight },
  ];
  assert.equal(digest({ 'spec.quota.allocation': { strategy: 'Cells', cells: cells(3) } }), before);
  assert.equal(digest({ 'spec.quota.allocation': { strategy: 'Cells', cells: cells(1).toReversed() } }), before);
});

/** As far as a plan reads it. */
const PARENT = {
  manifest: { plan: {}, samples: { wanted: 24 }, dataset: { spec: { seed: 7, quality: { maxAttempts: 8 } } } },
  sha256: 'f'.repeat(64),
  uri: '/one/dataset.json',
} as unknown as Parent;

/** Changes that decide bytes, alone or of the inputs. */
const OTHER: Record<string, [Record<string, unknown>, Partial<PlanInputs>?]> = {
  'the name': [{ 'metadata.name': 'other' }],
  'the seed': [{ 'spec.seed': 8 }],
  'the number of samples': [{ 'spec.quota.samples': 17 }],
  'a quota': [{ 'spec.quota.exclude': [] }],
  'another bin': [{ 'spec.quota.axes.age': { bins: ['18-39', '40-91'] }, 'spec.quota.exclude': [] }],
  'numbers instead of names': [{ 'spec.quota.axes.age': { values: ['18-39', '40-90'] } }],
  'the template': [{ 'spec.prompt.template': '{age} year old {sex}.  {impression}' }],
  'a phrase': [
    {
      'spec.prompt.impressions': {
        'no-finding': ['Normal .', 'Clear lungs .'],
        edema: ['Edema .', 'Mild edema .', 'Severe edema'],
      },
    },
  ],
  'the order of phrases': [
    {
      'spec.prompt.impressions': {
        'no-finding': ['Clear lungs .', 'Normal .'],
        edema: ['Edema .', 'Mild edema .', 'Severe edema .'],
      },
    },
  ],
  'the model': [{}, { model: { ...INPUTS.model, digest: 'c'.repeat(64) } }],
  "the model's own scheduler": [
    {},
    { model: { ...INPUTS.model, defaults: { scheduler: 'DDIM', height: 128, width: 128 } } },
  ],
  "the model's own size": [{}, { model: { ...INPUTS.model, defaults: { scheduler: 'PNDM', height: 64, width: 128 } } }],
  'the scheduler': [{ 'spec.model.sampling': { steps: 20, scheduler: 'UniPC' } }],
  'the steps': [{ 'spec.model.sampling': { steps: 21 } }],
  'the guidance': [{ 'spec.model.sampling': { steps: 20, guidanceScale: 3 } }],
  'the steps that are guided': [{ 'spec.model.sampling': { steps: 20, guidanceInterval: { start: 0, stop: 0.5 } } }],
  'the negative prompt': [{ 'spec.model.sampling': { steps: 20, negativePrompt: 'x' } }],
  'the size': [{ 'spec.model.sampling': { steps: 20, width: 136 } }],
  'a gate less': [{ 'spec.quality': {} }, { gateDigests: [] }],
  "a gate's model": [{}, { gateDigests: ['d'.repeat(64)] }],
  "a gate's name": [gate({ name: 'other' })],
  "a gate's threshold": [gate({ minProbability: 0.6 })],
  "a gate's classes": [gate({ classes: ['female', 'male'] })],
  "the order of a gate's classes": [gate({ classes: ['male', 'female'] })],
  "a gate's kind of classes": [gate({ multiLabel: true })],
  'whom a gate judges': [gate({ appliesTo: ['male'] })],
  'another kind of gate': [regressor({})],
  "a gate's tolerance": [regressor({ tolerance: 8 })],
  'the attempts': [{ 'spec.quality': { gates: [GATE], maxAttempts: 9 } }],
  'the format': [{ 'spec.output.image': { format: 'png' } }],
  'the quality': [{ 'spec.output.image': { quality: 94 } }],
  'the bits of a value': [{ 'spec.output.image': { format: 'png', bitDepth: 16 } }],
  'pairs that differ in one axis': [
    { 'spec.quota.exclude': [], 'spec.output.shard': { samples: 6 }, 'spec.quota.pairs': { axis: 'sex' } },
  ],
  'pairs that differ in another axis': [
    { 'spec.quota.exclude': [], 'spec.output.shard': { samples: 6 }, 'spec.quota.pairs': { axis: 'age' } },
  ],
  'a dataset that it extends': [{ 'spec.extends': { manifest: 'one/dataset.json' } }, { parent: PARENT }],
  'another dataset that it extends': [
    { 'spec.extends': { manifest: 'one/dataset.json' } },
    { parent: { ...PARENT, sha256: 'e'.repeat(64) } },
  ],
  'the size of a shard': [{ 'spec.output.shard.samples': 6 }],
};

test('any change that decides bytes gives another digest, each its own', () => {
  const seen = new Map([[before, 'no change']]);
  for (const [name, [changes, other]] of Object.entries(OTHER)) {
    const after = digest(changes, other);
    assert.equal(seen.get(after), undefined, name);
    seen.set(after, name);
  }
});

test('the order of gates counts: the first that refuses is recorded', () => {
  const [a, b] = [GATE, { ...GATE, name: 'again' }];
  const both = (gates: object[], gateDigests: string[]) => digest({ 'spec.quality': { gates } }, { gateDigests });
  assert.notEqual(both([a, b], ['1', '2']), both([b, a], ['2', '1']));
});

test("the digest covers a table's rows: cells, numbers, phrases, ids and their order", () => {
  const columns = { sex: { name: 's' }, age: { name: 'a' }, finding: { name: 'f' } };
  const table = { uri: 't.csv', columns, idColumn: 'i', impressionColumn: 't' };
  const changes = {
    'spec.quota.samples': undefined,
    'spec.quota.allocation': { strategy: 'Table', table },
    'spec.prompt.impressions': undefined,
    'spec.quota.exclude': [],
  };
  const row = (i: string, change: object = {}) => ({ s: 'male', a: '20', f: 'edema', i, t: 'Edema .', ...change });
  const of = (table: ReturnType<typeof row>[]) => digest(changes, { table });
  const rows = [row('1'), row('2', { a: '21' }), row('3', { s: 'female' })];
  const digests = [
    rows,
    [rows[1]!, rows[0]!, rows[2]!],
    [row('1', { a: '22' }), rows[1]!, rows[2]!],
    [row('1', { t: 'Other .' }), rows[1]!, rows[2]!],
    [row('0'), rows[1]!, rows[2]!],
    [row('1', { f: 'no-finding' }), rows[1]!, rows[2]!],
    rows.slice(1),
  ].map(of);
  assert.equal(new Set(digests).size, digests.length);
  // Rows of different cells do not see each other.
  assert.equal(of([rows[2]!, rows[0]!, rows[1]!]), digests[0]);
});

test('the digest of a plan never changes', () => {
  // A published prefix belongs to one digest: another value here means that no unfinished dataset can be gone on with.
  assert.equal(before, '8e821949cd7c8ff7de78ce378ece1dcdbc256bc8315e3eedac1f379e9e87697c');
});

test('the encoder, the reference and the threshold that follows from a quantile are part of the plan', () => {
  const copies = { name: 'copies', type: 'Novelty', against: 'Training' };
  const quality = (gate: object) => ({
    'spec.quality': {
      encoder: { modelUri: 'encoder' },
      reference: { uri: 'reference' },
      gates: [{ ...copies, ...gate }],
    },
  });
  const evidence = (letter: string): Partial<PlanInputs> => ({
    encoderDigest: 'e'.repeat(64),
    reference: { digest: letter.repeat(64), quantile: (share) => 2 * share },
  });
  const byQuantile = digest(quality({ quantile: 0.01 }), evidence('f'));
  assert.equal(byQuantile, digest(quality({ threshold: 0.02 }), evidence('f')), 'the threshold is what counts');
  assert.notEqual(byQuantile, digest(quality({ quantile: 0.02 }), evidence('f')));
  assert.notEqual(byQuantile, digest(quality({ quantile: 0.01 }), evidence('d')));
  assert.notEqual(byQuantile, digest(quality({ quantile: 0.01 }), { ...evidence('f'), encoderDigest: 'd'.repeat(64) }));
  const plan = makePlan(parseDataset(documentWith({ ...START, ...quality({ quantile: 0.01 }) })), {
    ...inputs,
    ...evidence('f'),
  });
  assert.deepEqual(plan.identity.quality, {
    maxAttempts: 8,
    onExhausted: 'Fail',
    gates: [{ name: 'copies', type: 'Novelty', digest: 'f'.repeat(64), against: 'Training', threshold: 0.02 }],
    encoder: 'e'.repeat(64),
    reference: 'f'.repeat(64),
  });
});
