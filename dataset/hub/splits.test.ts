import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ONE_SPLIT, parquetFiles, parseSplits } from './splits.ts';

test('F6: splits are of whole shards, each shard in one, in order', () => {
  assert.deepEqual(parquetFiles(ONE_SPLIT, 2), [
    'data/train-00000-of-00002.parquet',
    'data/train-00001-of-00002.parquet',
  ]);
  assert.deepEqual(parquetFiles(parseSplits('--splits', 'train=0.7,test=0.3'), 3), [
    'data/train-00000-of-00002.parquet',
    'data/train-00001-of-00002.parquet',
    'data/test-00000-of-00001.parquet',
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 4 }),
      fc.nat(300),
      (weights, extra) => {
        const total = weights.reduce((a, b) => a + b, 0);
        const splits = weights.map((weight, i) => ({ name: `s${i}`, share: weight / total }));
        const shards = 400 + extra;
        const files = parquetFiles(splits, shards);
        assert.equal(new Set(files).size, shards);
        for (const { name, share } of splits) {
          const own = files.filter((file) => file.startsWith(`data/${name}-`)).length;
          assert.ok(Math.abs(own - share * shards) <= 1, `${name} has ${own} of ${shards}, share ${share}`);
        }
      },
    ),
  );
});

test('F6: what is not a division into splits is refused, and why', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['train=0.5', /--splits: "train=0\.5" does not add up to 1; write shares that add up to 1, such as/],
    ['train', /is not a list of names and shares/],
    ['Train=1', /is not a list of names and shares/],
    ['train=0.0,test=1', /is not a list of names and shares/],
    ['a=.5,a=.5', /names a split twice/],
  ];
  for (const [given, message] of cases) assert.throws(() => parseSplits('--splits', given), message);
  const uneven = parseSplits('--splits', 'train=0.9,test=0.1');
  assert.throws(() => parquetFiles(uneven, 3), /split test would get none of the 3 shards/);
});
