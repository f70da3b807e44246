import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { smallDataset } from '../../test/support/dataset.ts';
import { shardSample as sample } from '../../test/support/shard-sample.ts';
import { createIndex, describeIndex, indexColumns, ROW_GROUP } from './index.ts';

const { spec } = smallDataset();

const bufferOf = (chunks: readonly Uint8Array[]): ArrayBuffer => Uint8Array.from(Buffer.concat(chunks)).buffer;

test('a row says what a sample is and where its members lie, beyond 4 GiB too', async () => {
  const index = createIndex(spec, { 'cohortfarm.plan_digest': 'abc' });
  index.add('shards/small-000000.tar', [sample(0), sample(1, { scores: { sex: 0.75 } })]);
  const file = bufferOf(index.finish());
  const [first, second] = await parquetReadObjects({ file });
  assert.deepEqual(first, {
    key: '000000000',
    shard: 'shards/small-000000.tar',
    image_offset: 5_000_000_000n,
    image_size: 1000,
    txt_offset: 5_000_002_048n,
    txt_size: 20,
    json_offset: 5_000_003_072n,
    json_size: 400,
    cell: 'age=18-39,sex=male',
    age: '18-39',
    sex: 'male',
    age_years: 18,
    prompt: '000000000 year old male',
    seed: 4_294_967_295n,
    attempt: 0,
    score_sex: 0.625,
    score_age: 21.5,
  });
  assert.equal(second!.score_age, null, 'a gate that did not judge the sample');
  const metadata = parquetMetadata(file).key_value_metadata!;
  assert.deepEqual(
    metadata.map(({ key }) => key),
    ['cohortfarm.plan_digest', 'cohortfarm.columns'],
  );
});

test('many samples make row groups of bounded size with page indexes', () => {
  const index = createIndex(spec, {});
  const samples = 2 * ROW_GROUP + 5;
  for (let start = 0; start < samples; start += 1000) {
    index.add(
      'shards/a.tar',
      Array.from({ length: Math.min(1000, samples - start) }, (_, i) => sample(start + i)),
    );
  }
  const { row_groups } = parquetMetadata(bufferOf(index.finish()));
  assert.deepEqual(
    row_groups.map(({ num_rows }) => Number(num_rows)),
    [ROW_GROUP, ROW_GROUP, 5],
  );
  for (const group of row_groups.slice(0, 2)) {
    assert.ok(group.total_byte_size < 10e6);
    const key = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === 'key')!;
    assert.ok(key.column_index_length! > 0 && key.offset_index_length! > 0);
  }
});

test('an index without samples has its columns', () => {
  const metadata = parquetMetadata(bufferOf(createIndex(spec, {}).finish()));
  assert.equal(metadata.num_rows, 0n);
  assert.equal(metadata.schema.length, 1 + describeIndex(spec).length);
});

test('axes and gates that are called like other columns get columns of their own', () => {
  const clash = smallDataset((input) => {
    input.quota.axes = {
      seed: { values: ['a'] },
      key: { bins: ['1-2'] },
      axis_seed: { values: ['b'] },
      key_exact: { values: ['c'] },
      constructor: { bins: ['1-3'] },
    };
    input.quota.samples = 1;
    input.prompt = { template: '{seed}' };
    input.quality = { gates: [{ name: 'constructor', axis: 'seed', type: 'Classifier', modelUri: 'unused' }] };
  });
  const names = describeIndex(clash.spec).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, names.join(' '));
  const { axes, exact, scores } = indexColumns(clash.spec);
  assert.deepEqual(Object.keys(axes), ['axis_seed', 'constructor', 'key', 'key_exact', 'seed']);
  assert.deepEqual(Object.values(exact), ['constructor_exact', 'axis_key_exact']);
  const column = describeIndex(clash.spec).find(({ name }) => name === Object.values(scores)[0])!;
  assert.equal(column.value('shard', sample(0), 0), null, 'what objects inherit is no score');
});

test('equal samples make equal bytes', () => {
  const make = (): Uint8Array[] => {
    const index = createIndex(spec, {});
    index.add('shards/a.tar', [sample(3), sample(4)]);
    return index.finish();
  };
  assert.deepEqual(make(), make());
});
