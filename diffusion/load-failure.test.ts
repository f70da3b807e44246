import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadFailure } from './onnx.ts';

test('A5: a model that does not fit a GPU is the fault of the node, one that cannot be read is its own', () => {
  const file = 'unet/model.onnx';
  const reasons = [
    loadFailure(file, 'cuda', 'Failed to allocate memory for requested buffer of size 1048576'),
    loadFailure(file, 'cuda', 'CUDA failure 2: out of memory ; GPU=0'),
    loadFailure(file, 'cuda', 'Protobuf parsing failed'),
    loadFailure(file, 'cpu', 'Failed to allocate memory for requested buffer of size 1048576'),
  ].map(({ reason }) => reason);
  assert.deepEqual(reasons, ['ProviderUnavailable', 'ProviderUnavailable', 'ModelInvalid', 'ModelInvalid']);
});
