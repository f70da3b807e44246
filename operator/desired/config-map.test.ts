import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DATASET_FILE } from '../../contract/cluster.ts';
import { specSchema } from '../../contract/schema/spec.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { documentWith } from '../../test/support/spec.ts';
import { buildConfigMap } from './config-map.ts';

const OWNER: Parameters<typeof buildConfigMap>[0] = {
  namespace: 'lab',
  name: 'cxr',
  uid: 'uid-1',
  resourceVersion: '1',
  generation: 1,
  finalizers: [],
  deleting: false,
};
const dataset = parseDataset(documentWith({ 'spec.extends': { manifest: 's3://cohorts/one/dataset.json' } }));

/** Sections that decide no byte of a dataset, and where they are read. */
const ELSEWHERE = [
  'suspend',
  'workers',
  'publish',
  'limits',
  'training',
  'deletionPolicy',
  'operatorClass',
  'ttlSecondsAfterFinished',
];

test('pods of each role read all that decides the bytes of a dataset, what it extends included', () => {
  const sections = Object.keys(specSchema.shape).filter((name) => !ELSEWHERE.includes(name));
  for (const role of ['workers', 'publish', 'cleanup'] as const) {
    const { data } = buildConfigMap(OWNER, dataset, role) as unknown as { data: Record<string, string> };
    const { spec } = parseDataset(JSON.parse(data[DATASET_FILE]!));
    const { onExhausted: _, ...quality } = dataset.spec.quality;
    for (const name of sections as (keyof typeof spec)[]) {
      const [found, wanted] =
        name === 'quality'
          ? [spec.quality, { ...quality, onExhausted: spec.quality.onExhausted }]
          : [spec[name], dataset.spec[name]];
      assert.deepEqual(found, wanted, `${name} of ${role}`);
    }
  }
});
