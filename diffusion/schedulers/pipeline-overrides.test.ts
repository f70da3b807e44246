import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asPipelineLoads } from './index.ts';

test('outdated settings are overridden as the diffusers pipeline does', () => {
  assert.deepEqual(asPipelineLoads({}, 'PNDM', 'PNDM'), { steps_offset: 1 });
  assert.deepEqual(asPipelineLoads({}, 'DDIM', 'DDIM'), { steps_offset: 1, clip_sample: false });
  const stated = { steps_offset: 0, clip_sample: true };
  assert.deepEqual(asPipelineLoads(stated, 'PNDM', 'PNDM'), { steps_offset: 1, clip_sample: false });
  assert.deepEqual(asPipelineLoads(stated, 'PNDM', 'DDIM'), { steps_offset: 1, clip_sample: false });
});

test('after a switch, what the file does not state is left to the new class', () => {
  assert.deepEqual(asPipelineLoads({}, 'DDIM', 'PNDM'), {});
  assert.deepEqual(asPipelineLoads({ steps_offset: 0 }, 'PNDM', 'DDIM'), { steps_offset: 1 });
});
