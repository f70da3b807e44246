import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingForCuda, type Surroundings } from './cuda.ts';

/** A Linux machine with everything in place, but for what is overridden. */
const machine = (but: Partial<Surroundings> = {}): Surroundings => ({
  platform: 'linux',
  arch: 'x64',
  hasFile: async () => true,
  unresolved: async () => [],
  canLoad: () => true,
  ...but,
});

test('nothing is missing where provider, CUDA libraries and driver are found', async () => {
  assert.equal(await missingForCuda('/lib', machine()), null);
});

for (const { name, around, expected } of [
  { name: 'another platform', around: machine({ platform: 'darwin', arch: 'arm64' }), expected: /darwin arm64/ },
  {
    name: 'the shared provider library',
    around: machine({ hasFile: async (file) => !file.includes('shared') }),
    expected: /libonnxruntime_providers_shared\.so not in \/lib/,
  },
  {
    name: 'the CUDA provider library',
    around: machine({ hasFile: async (file) => !file.includes('cuda') }),
    expected: /libonnxruntime_providers_cuda\.so not in \/lib/,
  },
  {
    name: 'CUDA libraries, all named at once',
    around: machine({
      unresolved: async () => ['libcublas.so.13', 'libcuda.so.1'],
      canLoad: (name) => name !== 'libcudnn.so.9',
    }),
    expected: /\(libcublas\.so\.13, libcudnn\.so\.9 not found; .*LD_LIBRARY_PATH/,
  },
  {
    name: 'the driver',
    around: machine({ canLoad: (name) => name !== 'libcuda.so.1' }),
    expected: /no NVIDIA driver \(libcuda\.so\.1/,
  },
]) {
  test(`what is missing is named: ${name}`, async () => {
    assert.match((await missingForCuda('/lib', around)) ?? '', expected);
  });
}
