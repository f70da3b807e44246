import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentWith, linesOf } from '../../test/support/spec.ts';
import { parseDataset } from './parse.ts';

const linesWith = (training: object, more: object = {}): string[] =>
  linesOf(() => parseDataset(documentWith({ 'spec.training': training, ...more })));

const pretrain = { name: 'pretrain', type: 'Pretrain' };
const finetune = { name: 'finetune', type: 'Finetune', from: 'pretrain', data: 's3://real' };
const evaluation = { sites: [{ name: 'site-a', uri: 's3://a' }] };

test('stages that belong together are taken, with the usual defaults of the field', () => {
  const { training } = parseDataset(
    documentWith({ 'spec.training': { stages: [pretrain, finetune], evaluation, compare: ['RealOnly'] } }),
  ).spec;
  const { architecture, imageSize, seeds, stages } = training!;
  assert.deepEqual({ architecture, imageSize, seeds }, { architecture: 'densenet121', imageSize: 224, seeds: 3 });
  const { batchSize, patience, rotation } = stages[1]!.hyperparameters;
  assert.deepEqual({ batchSize, patience, rotation }, { batchSize: 32, patience: 20, rotation: 15 });
});

test('stages that do not belong together are all named', () => {
  const stages = [
    { ...pretrain, from: 'finetune' },
    { name: 'finetune', type: 'Finetune' },
    { ...pretrain, hyperparameters: { steps: 1, epochs: 1 } },
    { ...finetune, name: 'evaluate', from: 'pretrian' },
    { ...pretrain, name: 'last', runtimeRef: { name: 'torch' }, podTemplate: {} },
  ];
  assert.deepEqual(linesWith({ stages }), [
    'spec.training.stages[0].from: "finetune" must name a stage that comes before this one; this is the first stage',
    'spec.training.stages[1].from: is required for Finetune; name the stage whose weights it begins with',
    'spec.training.stages[1].data: is required for Finetune; name the folder of real images',
    'spec.training.stages[2].name: "pretrain" is the name of an earlier stage; choose another name',
    'spec.training.stages[2].hyperparameters.steps: says how long to train, and so does epochs; remove one of the two',
    'spec.training.stages[3].name: "evaluate" is where other results go; choose another name',
    'spec.training.stages[3].from: "pretrian" must name a stage that comes before this one; it is one of pretrain, finetune, pretrain',
    'spec.training.stages[4].podTemplate: has no effect with runtimeRef; say it in the runtime and remove it here',
  ]);
});

test('a warm-up or a probe ends before the stage does', () => {
  const lines = (hyperparameters: object) => linesWith({ stages: [{ ...pretrain, hyperparameters }] });
  assert.deepEqual(lines({ steps: 10, warmupSteps: 10, probeSteps: 11 }), [
    'spec.training.stages[0].hyperparameters.warmupSteps: 10 is not less than steps, 10; lower it, or train longer',
    'spec.training.stages[0].hyperparameters.probeSteps: 11 is not less than steps, 10; lower it, or train longer',
  ]);
  parseDataset(
    documentWith({
      'spec.training': {
        stages: [{ ...pretrain, hyperparameters: { steps: 10, warmupSteps: 9, probeSteps: 0 } }],
      },
    }),
  );
});

test('a stage whose name is wrong in itself hides no other fault, and makes none', () => {
  assert.deepEqual(
    linesWith({
      stages: [
        { ...pretrain, name: 'Pre' },
        { ...finetune, from: 'pre' },
      ],
    }),
    ['spec.training.stages[0].name: "Pre" is not valid: it must be a DNS label: a-z, 0-9 and -, at most 63'],
  );
});

test('a comparison needs both kinds of stages and sites to measure on', () => {
  assert.deepEqual(linesWith({ stages: [pretrain], compare: ['RealOnly', 'Mixed', 'RealOnly'] }), [
    'spec.training.compare[2]: "RealOnly" is there already, in [0]; remove one',
    'spec.training.compare: needs a Pretrain and a Finetune stage to compare with; add them to spec.training.stages',
    'spec.training.compare: needs real images to measure on; add spec.training.evaluation.sites',
  ]);
});

test('no stage is called like the runs of a comparison side by side', () => {
  const stages = [
    { ...pretrain, name: 'compare-runs' },
    { ...finetune, from: 'compare-runs' },
  ];
  const compared = { stages, evaluation, compare: ['Mixed'] };
  parseDataset(documentWith({ 'spec.training': compared }));
  assert.deepEqual(linesWith({ ...compared, compareParallelism: 2 }), [
    'spec.training.stages[0].name: "compare-runs" is where the runs of the comparison go; choose another name',
  ]);
});

test('the primary contrast is of a synthetic cohort that there is', () => {
  const compared = { stages: [pretrain, finetune], evaluation, compare: ['Mixed'] };
  const synthetic = [{ name: 'balanced' }, { name: 'matched', uri: 's3://matched' }];
  parseDataset(documentWith({ 'spec.training': { ...compared, synthetic, primary: { synthetic: 'matched' } } }));
  assert.deepEqual(
    linesWith({ ...compared, synthetic: [...synthetic, { name: 'balanced' }], primary: { synthetic: 'other' } }),
    [
      'spec.training.synthetic[2].name: "balanced" is there already, in [0]; remove one',
      'spec.training.synthetic[2].uri: has the same images as [0]; name another dataset or remove the entry',
      'spec.training.primary.synthetic: "other" is not in spec.training.synthetic; take one of balanced, matched',
    ],
  );
  assert.deepEqual(linesWith({ ...compared, primary: { synthetic: 'balanced' } }), [
    'spec.training.primary.synthetic: "balanced" is not in spec.training.synthetic; remove it',
  ]);
});

test('synthetic cohorts are of different images, and compared', () => {
  const compared = { stages: [pretrain, finetune], evaluation, compare: ['Mixed'] };
  const cohorts = (...uris: (string | undefined)[]) =>
    uris.map((uri, i) => ({ name: `cohort-${i}`, ...(uri && { uri }) }));
  const same = (i: number, first: number) =>
    `spec.training.synthetic[${i}].uri: has the same images as [${first}]; name another dataset or remove the entry`;
  const synthetic = cohorts(undefined, 's3://x', 's3://x/', undefined);
  assert.deepEqual(linesWith({ ...compared, synthetic }), [same(2, 1), same(3, 0)]);
  // An entry without uri is this dataset, or what the Pretrain stage is given in its place.
  const own = parseDataset(documentWith()).spec.output.uri;
  assert.deepEqual(linesWith({ ...compared, synthetic: cohorts(undefined, own) }), [same(1, 0)]);
  const given = { ...compared, stages: [{ ...pretrain, data: 's3://given' }, finetune] };
  assert.deepEqual(linesWith({ ...given, synthetic: cohorts('s3://given', undefined) }), [same(1, 0)]);
  parseDataset(documentWith({ 'spec.training': { ...given, synthetic: cohorts(own, undefined) } }));
  for (const compare of [[], undefined])
    assert.deepEqual(linesWith({ ...compared, compare, synthetic: cohorts(undefined) }), [
      'spec.training.synthetic: has no effect without spec.training.compare; name baselines there or remove it',
    ]);
});

test('a share of synthetic images is that of an arm that is compared', () => {
  const compared = (compare: string[], shares: object) =>
    linesWith({ stages: [pretrain, finetune], evaluation, compare, ...shares });
  assert.deepEqual(compared(['RealOnly'], { mixedShare: 0.5, replayShare: 0.1 }), [
    'spec.training.mixedShare: has no effect without Mixed or MixedFinetune; add it to spec.training.compare, or remove the share',
    'spec.training.replayShare: has no effect without PretrainFinetuneReplay; add it to spec.training.compare, or remove the share',
  ]);
  const shares = { mixedShare: 0.5, replayShare: 0.1 };
  const compare = ['MixedFinetune', 'PretrainFinetuneReplay'];
  parseDataset(documentWith({ 'spec.training': { stages: [pretrain, finetune], evaluation, compare, ...shares } }));
  assert.match(compared(compare, { mixedShare: 1 }).join(), /spec.training.mixedShare/);
});

test('the primary contrast is one that can be measured', () => {
  const compared = (compare: string[], primary: object, more: object = {}) =>
    linesWith({ stages: [pretrain, finetune], evaluation, compare, primary, ...more });
  assert.deepEqual(compared(['SyntheticOnly', 'Mixed', 'RealOnly'], { minus: 'SyntheticOnly' }), [
    'spec.training.primary.minus: "SyntheticOnly" is not what PretrainFinetune is compared with; take one of Mixed, RealOnly',
  ]);
  assert.deepEqual(compared(['Mixed'], { minus: 'RealOnly' }), [
    'spec.training.primary.minus: "RealOnly" is not in spec.training.compare; take one of Mixed',
  ]);
  assert.deepEqual(compared([], { minus: 'RealOnly' }), [
    'spec.training.primary.minus: "RealOnly" is not in spec.training.compare; add one to spec.training.compare, such as Mixed or RealOnly',
  ]);
  assert.deepEqual(compared(['SyntheticOnly'], { endpoint: 'auroc' }), [
    'spec.training.primary: has nothing to compare PretrainFinetune with; add Mixed or RealOnly to spec.training.compare',
  ]);
  const nothing =
    'spec.training.compare: ["SyntheticOnly"] leaves nothing to contrast PretrainFinetune with; add Mixed or RealOnly';
  const undeclared = { stages: [pretrain, finetune], evaluation, compare: ['SyntheticOnly'] };
  assert.deepEqual(linesWith(undeclared), [nothing]);
  const weights = { initialisation: 'Weights' };
  assert.deepEqual(compared(['Mixed'], weights), [
    'spec.training.primary.initialisation: "Weights" needs given weights; name them in spec.training.weights or remove it',
  ]);
  const training = {
    stages: [pretrain, finetune],
    evaluation,
    compare: ['Mixed'],
    primary: weights,
    weights: 's3://w.pt',
  };
  parseDataset(documentWith({ 'spec.training': training }));
});

test('a network is one of four, or any that timm may have', () => {
  for (const architecture of ['resnet18', 'timm/convnext_tiny', 'timm/vit_base_patch16_224.augreg2_in21k_ft_in1k'])
    assert.equal(
      parseDataset(documentWith({ 'spec.training': { architecture } })).spec.training!.architecture,
      architecture,
    );
  for (const architecture of ['resnet19', 'timm/', 'timm/../x', 'hf-hub:timm/resnet18'])
    assert.deepEqual(linesWith({ architecture }), [
      `spec.training.architecture: "${architecture}" is not valid: it must be densenet121, resnet18, resnet50, cnn-small, or timm/NAME for a network of timm, such as timm/convnext_tiny`,
    ]);
});

test('sites have names of their own', () => {
  const sites = ['a', 'pooled', 'a', 'macro'].map((name) => ({ name, uri: 's3://a' }));
  assert.deepEqual(linesWith({ evaluation: { sites } }), [
    'spec.training.evaluation.sites[2].name: "a" is there already, in [0]; remove one',
    'spec.training.evaluation.sites[1].name: is the name of all sites together; choose another name',
    'spec.training.evaluation.sites[3].name: is the name of all sites together; choose another name',
  ]);
});

test('labels and subgroups of age are sets that make sense', () => {
  assert.deepEqual(linesWith({ labels: ['edema', 'no-finding', 'edema'], ageBins: ['18-39', '39-60', '9-8'] }), [
    'spec.training.ageBins[2]: "9-8" ends before it begins; write "8-9"',
    'spec.training.ageBins[1]: "39-60" overlaps "18-39" (both ends are included); write "40-60"',
    'spec.training.labels[2]: "edema" is there already, in [0]; remove one',
    'spec.training.labels[1]: is learned in any case; remove it',
  ]);
  const none = { 'spec.quota.axes.finding': undefined, 'spec.prompt': { template: '{sex}' } };
  assert.deepEqual(linesWith({ stages: [pretrain] }, none), [
    'spec.training.labels: is required, since spec.quota.axes has no finding; name the findings to learn',
  ]);
});
