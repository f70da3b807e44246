import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPipelineLoads } from './outdated.ts';

test('outdated settings are overridden as the diffusers pipeline does', () => {
  assert.deepEqual(asPipelineLoads('PNDM', { steps_offset: 0 }), { steps_offset: 1 });
  assert.deepEqual(asPipelineLoads('PNDM', { clip_sample: true }), { steps_offset: 1, clip_sample: false });
  assert.deepEqual(asPipelineLoads('DDIM', {}), { steps_offset: 1, clip_sample: false });
});
