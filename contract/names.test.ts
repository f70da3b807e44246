import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objects, parsePartKey, parseRecordKey, sampleKey } from './names.ts';

test('keys of samples and shards sort by number', () => {
  assert.equal(sampleKey(0), '000000000');
  assert.equal(sampleKey(999_999_999), '999999999');
  assert.equal(objects.shard('cxr', 12), 'shards/cxr-000012.tar');
  assert.equal(objects.record(999_999), 'records/999999.json');
});

test('a part key is read back, anything else is not', () => {
  assert.deepEqual(parsePartKey(objects.part(3, 3000, 3064)), { start: 3000, end: 3064 });
  for (const key of [objects.seal(3), objects.shard('a', 1), '_work/000003/3000-3064.tar', '_work/plan.json']) {
    assert.equal(parsePartKey(key), null);
  }
});

test('a record key is read back, anything else is not', () => {
  assert.equal(parseRecordKey(objects.record(12)), 12);
  for (const key of ['records/12.json', 'records/0000012.json', 'records/000012.json.bak', 'x/records/000012.json'])
    assert.equal(parseRecordKey(key), null);
});
