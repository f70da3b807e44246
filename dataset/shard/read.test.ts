import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { sampleMembers } from './part.ts';
import { contentOf, readShardSamples } from './read.ts';
import { TAR_END, TarError, tarMember } from './tar.ts';

const record = (index: number): SampleRecord => ({
  apiVersion: 'cohortfarm.dev/sample/v1',
  synthetic: true,
  index,
  cell: 'sex=male',
  axes: { sex: 'male' },
  exact: {},
  prompt: `Prompt ${index}: \u00e4, \u{1f600}`,
  seed: index,
  attempt: 0,
  scores: {},
  rejected: [],
  planDigest: 'a'.repeat(64),
  modelDigest: 'b'.repeat(64),
});

const image = Uint8Array.from([1, 2, 3]);
const shardOf = (...members: Uint8Array[]): Uint8Array => Buffer.concat([...members, TAR_END]);

test('every sample comes with its record and the place of its members', () => {
  const shard = shardOf(
    ...sampleMembers('000000004', 'png', image, record(4)),
    ...sampleMembers('000000007', 'jpg', Uint8Array.from([9]), record(7)),
  );
  const samples = readShardSamples(shard);
  assert.deepEqual(
    samples.map(({ key, image: { extension } }) => [key, extension]),
    [
      ['000000004', 'png'],
      ['000000007', 'jpg'],
    ],
  );
  assert.deepEqual(Uint8Array.from(contentOf(shard, samples[0]!.image)), image);
  assert.equal(Buffer.from(contentOf(shard, samples[1]!.text)).toString(), record(7).prompt);
  assert.deepEqual(JSON.parse(Buffer.from(contentOf(shard, samples[1]!.json)).toString()), record(7));
  assert.deepEqual(samples[1]!.record, record(7));
});

test('a shard without samples is empty', () => {
  assert.deepEqual(readShardSamples(shardOf()), []);
});

const [picture, text, json] = sampleMembers('000000004', 'png', image, record(4)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

const refused: readonly (readonly [string, Uint8Array[], RegExp])[] = [
  ['a missing text', [picture, json], /sample 000000004 is not followed by its \.txt/],
  ['a missing record', [picture, text], /sample 000000004 is not followed by its \.txt and its \.json/],
  ['members in another order', [text, picture, json], /000000004\.txt is not the image of a sample/],
  ['a stranger', [tarMember('../../etc/passwd', image)], /passwd is not the image of a sample/],
  ["another sample's text", [picture, tarMember('000000005.txt', image), json], /sample 000000004/],
  [
    'a record that is not valid JSON',
    [picture, text, tarMember('000000004.json', image)],
    /record of sample 000000004/,
  ],
  [
    'a record with unknown fields',
    [picture, text, tarMember('000000004.json', Buffer.from('{"a":1}'))],
    /record of sample 000000004/,
  ],
];

for (const [what, members, message] of refused) {
  test(`${what} is refused, and the message says where`, () => {
    assert.throws(
      () => readShardSamples(shardOf(...members)),
      (error) => error instanceof TarError && message.test(error.message),
    );
  });
}
