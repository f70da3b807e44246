import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStatus } from '../../test/support/status.ts';
import type { ClusterDataset, ClusterPod } from './cluster.ts';
import { showDataset, showDatasets } from './show.ts';
import { ago, bar, cut, table } from './text.ts';

const screen = { columns: 100, now: Date.parse('2026-01-02T03:06:05Z') };

const dataset = (change: Partial<ClusterDataset> = {}): ClusterDataset => ({
  name: 'small',
  namespace: 'lab',
  status: sampleStatus(),
  suspended: false,
  ...change,
});

const pod = (name: string, state = 'Running'): ClusterPod => ({
  name,
  role: 'workers',
  state,
  restarts: 2,
  node: 'node-a',
  created: '2026-01-02T02:06:05Z',
});

test('all that the status says is there', () => {
  const lines = showDataset(dataset(), [pod('small-workers-1-0')], screen);
  assert.equal(lines[0], 'small in lab: Generating');
  assert.equal(lines[1], '[##########..................] 6/16 images, 66 % accepted, 1.5 images/s, 0:07 left');
  assert.equal(lines[2], 'cells 1/8   shards 1/4   updated 2 min ago');
  assert.equal(lines[3], 'published: s3://cohorts/small/dataset.json');
  for (const pattern of [
    /^Stalled +False +Progressing +2 min +6 of 16 images are accepted$/,
    /^0\/2 +0 % +sex +age=18-39,finding=edema,sex=male$/,
    /^pretrain {2}Running {2}small-train-pretrain {2}auroc 0\.81$/,
    /^small-workers-1-0 +workers +Running +2 +1 h +node-a$/,
  ]) {
    assert.ok(
      lines.some((line) => pattern.test(line)),
      `${pattern} in\n${lines.join('\n')}`,
    );
  }
});

test('a dataset that the operator has not seen says so, and an empty status breaks nothing', () => {
  assert.deepEqual(showDataset(dataset({ status: null }), [], screen), ['small in lab: not seen by the operator yet']);
  assert.deepEqual(showDataset(dataset({ status: {}, suspended: true }), [], screen), ['small in lab: Suspended']);
});

test('the headlines of the evidence stand below the place of the manifest', () => {
  const evidence = ['KID 0.0012', 'Vendi score 23.4'];
  const lines = showDataset(dataset({ status: { ...sampleStatus(), evidence } }), [], screen);
  assert.deepEqual(lines.slice(4, 6), evidence);
});

test('a stalled dataset says why', () => {
  const status = sampleStatus();
  const conditions = status.conditions!.map((condition) =>
    condition.type === 'Stalled' ? { ...condition, status: 'True' as const, reason: 'BucketNotFound' } : condition,
  );
  const [head] = showDataset(dataset({ status: { ...status, conditions } }), [], screen);
  assert.equal(head, 'small in lab: Stalled: BucketNotFound');
});

test('pods in trouble come first, and a thousand pods do not bury the rest', () => {
  const pods = Array.from({ length: 1000 }, (_, i) => pod(`worker-${String(i).padStart(3, '0')}`));
  const lines = showDataset(dataset(), [...pods, pod('zz', 'ImagePullBackOff')], screen);
  const at = lines.findIndex((line) => line.startsWith('POD'));
  assert.match(lines[at + 1]!, /^zz .*ImagePullBackOff/);
  assert.equal(lines.length - at, 22);
  assert.equal(lines.at(-1), '... and 981 more pods');
});

test('one line for each dataset, as wide as the screen at most', () => {
  const lines = showDatasets([dataset(), dataset({ name: 'new', status: null })], { ...screen, columns: 200 });
  assert.match(lines[0]!, /^NAMESPACE {2}NAME {3}PROGRESS +IMAGES +ACCEPTED +RATE +LEFT +SHARDS +STATE$/);
  assert.match(lines[1]!, /^lab {8}small {2}\[######\.{10}\] {2}6\/16 +66 % +1\.5 images\/s +0:07 +1\/4 +Generating$/);
  assert.match(lines[2]!, /^lab {8}new {4}- +- +- +- +- +- +not seen by the operator yet$/);
  for (const columns of [20, 80]) {
    for (const line of [
      ...showDatasets([dataset()], { ...screen, columns }),
      ...showDataset(dataset(), [pod('x')], { ...screen, columns }),
    ])
      assert.ok(line.length <= columns, `${line.length}: ${line}`);
  }
  assert.match(showDatasets([], screen)[0]!, /no SyntheticDataset here/);
});

test('nothing from the cluster can steer the terminal', () => {
  const evil = '\u001b[2J\u001b]0;title\u0007\r\n\u202Eabc\u009b31m';
  const status = sampleStatus();
  const conditions = status.conditions!.map((condition) => ({ ...condition, message: evil, reason: evil }));
  const lines = [
    ...showDataset(dataset({ name: evil, status: { ...status, conditions } }), [pod(evil, evil)], screen),
    ...showDatasets([dataset({ namespace: evil })], screen),
  ];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  for (const line of lines) assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test('words and bars', () => {
  assert.deepEqual([0, 59, 60, 3599, 7200, 200_000].map(ago), ['0 s', '59 s', '1 min', '59 min', '2 h', '2 d']);
  assert.deepEqual(
    [-1, 0, 0.5, 1, 2].map((share) => bar(share, 4)),
    ['[....]', '[....]', '[##..]', '[####]', '[####]'],
  );
  assert.equal(cut('abcdef', 4), 'abc…');
  assert.deepEqual(
    table(
      [
        ['A', 'BB'],
        ['cc', 'd'],
      ],
      80,
    ),
    ['A   BB', 'cc  d'],
  );
});
