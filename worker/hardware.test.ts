import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hardwareOf, settingFor } from './hardware.ts';

test('M4: records name the size of a batch where it decides bits, and replay gets it back', () => {
  assert.equal(hardwareOf('cpu', 8), 'cpu');
  assert.deepEqual(settingFor(hardwareOf('cpu', 8)), { provider: 'cpu' });
  assert.equal(hardwareOf('cuda', 8), 'cuda (batches of 8)');
  assert.deepEqual(settingFor(hardwareOf('cuda', 8)), { provider: 'auto', batchSize: 8 });
});

test('M4: what a former version recorded, or several kinds, leave the choice to the machine', () => {
  for (const hardware of ['cuda', 'cpu+cuda (batches of 4)', '', 'cuda (batches of 999999)', 'rocm (batches of 4)'])
    assert.deepEqual(settingFor(hardware), { provider: 'auto' }, hardware);
});
