import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentWith } from '../../test/support/spec.ts';
import { parseDataset } from '../validate/parse.ts';
import { labelName, trainingSteps } from './steps.ts';

const options = { output: 's3://cohorts/small', resolve: (uri: string) => (uri.includes(':') ? uri : `/base/${uri}`) };
const pretrain = { name: 'pretrain', type: 'Pretrain', hyperparameters: { steps: 10 } };
const finetune = { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 'real/train' };
const evaluation = { sites: [{ name: 'a', uri: 'real/a' }] };
const stepsOf = (training: object) => trainingSteps(parseDataset(documentWith({ 'spec.training': training })), options);

test('stages, evaluation and comparison follow each other', () => {
  const compared = { compare: ['RealOnly'], seeds: 2, weights: 's3://w/imagenet.pt' };
  const steps = stepsOf({ stages: [pretrain, finetune], evaluation, ...compared });
  assert.deepEqual(
    steps.map(({ name, command, needs }) => ({ name, command, needs })),
    [
      { name: 'pretrain', command: 'pretrain', needs: [] },
      { name: 'finetune', command: 'finetune', needs: ['pretrain'] },
      { name: 'evaluate', command: 'evaluate', needs: ['pretrain', 'finetune'] },
      { name: 'compare', command: 'compare', needs: [] },
    ],
  );
  const [first, second, evaluate, compare] = steps.map(({ config }) => config);
  assert.deepEqual(first!.train!.data, ['s3://cohorts/small']);
  assert.equal(first!.weights, 's3://w/imagenet.pt');
  assert.equal(first!.output, 's3://cohorts/small/training/pretrain');
  assert.deepEqual(first!.labels, ['edema']);
  assert.deepEqual(first!.ageBins, ['18-39', '40-90']);
  assert.deepEqual(second!.train!.data, ['/base/real/train']);
  assert.equal(second!.weights, 's3://cohorts/small/training/pretrain/model.pt');
  assert.deepEqual(evaluate!.models, [
    { name: 'pretrain', uri: 's3://cohorts/small/training/pretrain/model.pt' },
    { name: 'finetune', uri: 's3://cohorts/small/training/finetune/model.pt' },
  ]);
  assert.deepEqual(evaluate!.sites, [{ name: 'a', uri: '/base/real/a' }]);
  assert.equal(compare!.compare!.seeds, 2);
  assert.equal(compare!.compare!.pretrain.hyperparameters.steps, 10);
  assert.deepEqual(compare!.compare!.finetune.data, ['/base/real/train']);
});

test('the comparison takes the stage that the last chain begins with', () => {
  const first = { ...finetune, name: 'first', from: 'other' };
  const stages = [
    { ...pretrain, data: 's3://x' },
    { ...pretrain, name: 'other' },
    first,
    { ...finetune, from: 'first' },
  ];
  const compare = stepsOf({ stages, evaluation, compare: ['Mixed'] }).at(-1)!.config.compare!;
  assert.deepEqual(compare.pretrain.data, ['s3://cohorts/small']);
  assert.deepEqual(compare.finetune.data, ['/base/real/train']);
});

test('a comparison takes several synthetic cohorts, this dataset among them', () => {
  const synthetic = [{ name: 'balanced' }, { name: 'matched', uri: 'matched' }];
  const compare = { evaluation, compare: ['Mixed'], synthetic, primary: { synthetic: 'matched' } };
  const config = stepsOf({ stages: [pretrain, finetune], ...compare }).at(-1)!.config.compare!;
  assert.deepEqual(config.synthetic, [
    { name: 'balanced', data: ['s3://cohorts/small'] },
    { name: 'matched', data: ['/base/matched'] },
  ]);
  assert.equal(config.primary!.synthetic, 'matched');
  const alone = stepsOf({ stages: [pretrain, finetune], evaluation, compare: ['Mixed'] }).at(-1)!.config.compare!;
  assert.equal('synthetic' in alone, false);
});

test('weights that timm publishes are left to the trainer', () => {
  const [first, second, , compare] = stepsOf({
    stages: [pretrain, finetune],
    evaluation,
    compare: ['RealOnly'],
    weights: 'timm://resnet18.a1_in1k',
  });
  assert.equal(first!.config.weights, 'timm://resnet18.a1_in1k');
  assert.equal(second!.config.weights, 's3://cohorts/small/training/pretrain/model.pt');
  assert.equal(compare!.config.weights, 'timm://resnet18.a1_in1k');
});

test('films are not mirrored where a finding names a side, unless the spec says so', () => {
  const flips = (labels: string[], hyperparameters: object = {}) =>
    stepsOf({ labels, stages: [{ ...pretrain, hyperparameters }] })[0]!.config.train!.hyperparameters.flip;
  assert.equal(flips(['edema', 'leftover']), true);
  for (const label of ['left-pleural-effusion', 'opacity-right', 'dextrocardia', 'situs-inversus'])
    assert.equal(flips(['edema', label]), false);
  assert.equal(flips(['dextrocardia'], { flip: true }), true);
  assert.equal(flips(['edema'], { flip: false }), false);
});

test('the runs of a comparison are shares of a step of their own, where that is asked for and can be', () => {
  const compared = { stages: [pretrain, finetune], evaluation, compare: ['RealOnly', 'Mixed', 'SyntheticOnly'] };
  const more = { ...compared, seeds: 1, compare: ['RealOnly', 'MixedFinetune', 'Mixed', 'PretrainFinetuneReplay'] };
  const [ofMore] = trainingSteps(
    parseDataset(documentWith({ 'spec.training': { ...more, replayShare: 0.1, compareParallelism: 9 } })),
    { ...options, sideBySide: true },
  ).slice(-2);
  // Real images alone, mixed, mixed before finetuned, and all that is pretrained together.
  assert.equal(ofMore!.shares!.count, 4);
  assert.equal(ofMore!.config.compare!.replayShare, 0.1);
  const synthetic = [{ name: 'a' }, { name: 'b', uri: 's3://cohorts/b' }];
  const training = { ...compared, seeds: 2, synthetic, weights: 's3://w/imagenet.pt' };
  const dataset = (more: object) => parseDataset(documentWith({ 'spec.training': { ...training, ...more } }));
  const beside = (parallelism: number) =>
    trainingSteps(dataset({ compareParallelism: parallelism }), { ...options, sideBySide: true }).slice(-2);
  const [runs, compare] = beside(4);
  // Two beginnings, two seeds: real images alone; for each cohort, mixed, and pretrained before finetuned.
  assert.deepEqual(runs!.shares, { count: 2 * 2 * (1 + 2 * 2), parallelism: 4 });
  assert.deepEqual(beside(1000)[0]!.shares, { count: 20, parallelism: 20 });
  assert.deepEqual([runs!.name, compare!.name, compare!.needs], ['compare-runs', 'compare', ['compare-runs']]);
  assert.equal(runs!.config.output, 's3://cohorts/small/training/compare-runs');
  assert.equal(compare!.config.compare!.runs, 's3://cohorts/small/training/compare-runs');
  const { shares: _, ...ofRuns } = runs!.config.compare!;
  const { runs: __, ...ofCompare } = compare!.config.compare!;
  assert.deepEqual(ofRuns, ofCompare);
  // One after another otherwise: on one machine, and where nothing is said.
  const alone = trainingSteps(dataset({}), options).at(-1)!.config;
  for (const steps of [
    trainingSteps(dataset({ compareParallelism: 4 }), options),
    trainingSteps(dataset({}), { ...options, sideBySide: true }),
  ]) {
    assert.deepEqual([steps.length, steps.at(-1)!.config], [4, alone]);
  }
  assert.deepEqual(alone.compare, ofCompare);
});

test('nothing is trained without stages', () => {
  assert.deepEqual(stepsOf({}), []);
  assert.deepEqual(trainingSteps(parseDataset(documentWith()), options), []);
});

test('findings have one spelling', () => {
  assert.deepEqual(['No Finding', 'Pleural_Thickening', 'edema', ' Lung  Lesion. '].map(labelName), [
    'no-finding',
    'pleural-thickening',
    'edema',
    'lung-lesion',
  ]);
});
