import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipelineConfig } from './index.ts';

test('outdated settings are overridden as the diffusers pipeline does', () => {
  assert.deepEqual(pipelineConfig({}, 'PNDM', 'PNDM'), { steps_offset: 1 });
  assert.deepEqual(pipelineConfig({}, 'DDIM', 'DDIM'), { steps_offset: 1, clip_sample: false });
  const stated = { steps_offset: 0, clip_sample: true };
  assert.deepEqual(pipelineConfig(stated, 'PNDM', 'PNDM'), { steps_offset: 1, clip_sample: false });
  assert.deepEqual(pipelineConfig(stated, 'PNDM', 'DDIM'), { steps_offset: 1, clip_sample: false });
});

test('after a switch, what the file does not state is left to the new class', () => {
  assert.deepEqual(pipelineConfig({}, 'DDIM', 'PNDM'), {});
  assert.deepEqual(pipelineConfig({ steps_offset: 0 }, 'PNDM', 'DDIM'), { steps_offset: 1 });
});
