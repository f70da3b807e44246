import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceEnv, visibleDevices } from './devices.ts';

test('devices are those that the environment allows, else those with a device file', () => {
  const files = ['null', 'nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm'];
  assert.deepEqual(visibleDevices({}, files), ['0', '1']);
  assert.deepEqual(visibleDevices({ CUDA_VISIBLE_DEVICES: '3, 5' }, files), ['3', '5']);
  assert.deepEqual(visibleDevices({ CUDA_VISIBLE_DEVICES: '' }, files), []);
  assert.deepEqual(visibleDevices({ NVIDIA_VISIBLE_DEVICES: 'MIG-a,MIG-b' }, files), ['MIG-a', 'MIG-b']);
  assert.deepEqual(visibleDevices({ NVIDIA_VISIBLE_DEVICES: 'all' }, files), ['0', '1']);
  assert.deepEqual(visibleDevices({}, ['null']), []);
});

test('engines take the devices in turn, one each', () => {
  const devices = Array.from({ length: 3 }, (_, i) => deviceEnv(['0', 'GPU-x'], i));
  assert.deepEqual(devices, [
    { CUDA_VISIBLE_DEVICES: '0' },
    { CUDA_VISIBLE_DEVICES: 'GPU-x' },
    { CUDA_VISIBLE_DEVICES: '0' },
  ]);
  assert.deepEqual(deviceEnv([], 0), {});
});
