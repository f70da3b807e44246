import { sampleKey } from '../../contract/names.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import type { ShardSample } from '../../dataset/shard/read.ts';

/** A sample as a shard holds it, beyond the first 4 GiB, without its bytes. */
export function shardSample(index: number, change: Partial<SampleRecord> = {}): ShardSample {
  const key = sampleKey(index);
  const at = 5e9 + 4096 * index;
  return {
    key,
    image: { offset: at, size: 1000 + (index % 7), extension: 'png' },
    text: { offset: at + 2048, size: 20 },
    json: { offset: at + 3072, size: 400 },
    record: {
      apiVersion: 'cohortfarm.dev/sample/v1',
      synthetic: true,
      index,
      cell: 'age=18-39,sex=male',
      axes: { age: '18-39', sex: 'male' },
      exact: { age: 18 + (index % 22) },
      prompt: `${key} year old male`,
      seed: 2 ** 32 - 1 - index,
      attempt: index % 3,
      scores: { sex: 0.625, age: 21.5 },
      rejected: [],
      planDigest: 'a'.repeat(64),
      modelDigest: 'b'.repeat(64),
      ...change,
    },
  };
}
