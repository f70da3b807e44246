import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestSchema } from '../../contract/schema/manifest.ts';
import { draftOf } from '../../test/readers/draft.ts';
import { planOf, smallDataset } from '../../test/support/dataset.ts';
import { draftManifest, publicDataset } from './manifest.ts';

test('a draft with its files is a manifest, whose cells stand in the order of the grid', () => {
  const draft = draftOf();
  const manifest = manifestSchema.parse({ ...draft, files: [] });
  assert.deepEqual(
    manifest.cells.map(({ cell }) => cell),
    Object.keys(planOf(smallDataset()).identity.quotas),
  );
  assert.equal(manifest.samples.wanted, 24);
  assert.equal(
    manifest.samples.attempts,
    manifest.samples.accepted + Object.values(manifest.rejected).reduce((a, b) => a + b, 0),
  );
});

test('cells whose samples are not accounted for, or that the plan does not have, are refused', () => {
  const dataset = smallDataset();
  const plan = planOf(dataset);
  const draft = draftOf(dataset);
  const counted = {
    shards: draft.shards,
    tallies: draft.cells.map(({ axes: _, ...tally }) => tally),
    providers: new Set<string>(),
  };
  const make = (tallies: typeof counted.tallies) => () =>
    draftManifest({ plan, dataset, version: '', counted: { ...counted, tallies } });
  assert.throws(make(counted.tallies.slice(1)), /account for 0 samples of cell age=18-39,sex=female, the plan wants 6/);
  assert.throws(make([...counted.tallies, { ...counted.tallies[0]!, cell: 'sex=other' }]), /cell sex=other/);
});

test('no credentials, pod settings or cluster metadata are published', () => {
  const dataset = smallDataset((spec) => {
    spec.model.uri = 's3://user:secret-1@bucket/model';
    spec.quality!.gates![0]!.modelUri = 'https://secret-2@host/gate';
    spec.output.uri = 's3://cohorts/small';
    spec.output.s3 = {
      endpoint: 'https://me:secret-3@host:9000',
      region: 'eu',
      credentialsSecretRef: { name: 'my-secret' },
    };
    spec.workers = { podTemplate: { env: [{ name: 'TOKEN', value: 'secret-4' }] } };
    spec.training = {
      labels: ['edema'],
      stages: [{ name: 'p', type: 'Pretrain', env: [{ name: 'T', value: 'secret-5' }] }],
    };
  });
  dataset.metadata.annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': '{"token":"secret-6"}',
    'cohortfarm.dev/license': 'CC-BY-4.0',
  };
  dataset.metadata.uid = 'secret-7';
  const published = publicDataset(dataset);
  const text = JSON.stringify(published);
  assert.doesNotMatch(text, /secret-\d/);
  assert.equal(published.spec.model.uri, 's3://bucket/model');
  assert.equal(published.spec.output.uri, 's3://cohorts/small');
  assert.deepEqual(published.spec.output.s3, {
    endpoint: 'https://host:9000',
    region: 'eu',
    credentialsSecretRef: { name: 'my-secret' },
  });
  assert.deepEqual(published.metadata, { name: 'small', annotations: { 'cohortfarm.dev/license': 'CC-BY-4.0' } });
});

test('the folder that a dataset was made in does not change its manifest', () => {
  const [one, other] = ['/home/alice/out', 'file:///srv/x'].map((uri) =>
    publicDataset(
      smallDataset((spec) => {
        spec.output.uri = uri;
      }),
    ),
  );
  assert.deepEqual(one, other);
});

test('no path of this machine is published: its last name says what lies there', () => {
  const dataset = smallDataset((spec) => {
    spec.model.uri = '/home/alice/models/roentgen-v2/';
    spec.quality!.gates![0]!.modelUri = 'file:///home/alice/gates/sex';
    spec.quality!.gates![1]!.modelUri = '../alice/gates/age';
    spec.quota.allocation = {
      strategy: 'Complement',
      cohort: { uri: '/home/alice/real%20cohort.csv', columns: { sex: { name: 'sex' }, age: { name: 'age' } } },
    };
    spec.quota.axes.finding = { values: ['edema'] };
    spec.prompt = { template: '{age} {sex} {impression}', impressionsFrom: { uri: 'reports/alice.csv' } };
  });
  const draft = draftOf();
  const { spec } = publicDataset(dataset);
  assert.doesNotMatch(JSON.stringify(spec), /home|alice\//);
  assert.deepEqual(
    [spec.model.uri, ...spec.quality.gates.map(({ modelUri }) => modelUri), spec.quota.allocation.cohort?.uri],
    ['roentgen-v2', 'sex', 'age', 'real%20cohort.csv'],
  );
  assert.equal(spec.prompt.impressionsFrom?.uri, 'reports/alice.csv', 'a path beside the resource stays');
  assert.equal(draft.model.uri, draft.dataset.spec.model.uri);
});

test('a prompt that looks like a URL with a password stays as it is', () => {
  const dataset = smallDataset((spec) => {
    spec.prompt = { template: 'https://a:b@c {sex}' };
  });
  assert.equal(publicDataset(dataset).spec.prompt.template, 'https://a:b@c {sex}');
});
