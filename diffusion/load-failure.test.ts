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

test('a graph for CUDA says so when a CPU loads it, and nothing else does', () => {
  const why = 'Fatal error: com.microsoft:NhwcConv(-1) is not a registered function/op';
  assert.match(
    loadFailure('unet/model.onnx', 'cpu', why).message,
    /optimised for CUDA \(NhwcConv\) and cannot run on the CPU/,
  );
  const other = 'LayerNormalization and GroupNormalization: not enough data';
  assert.match(loadFailure('unet/model.onnx', 'cpu', other).message, /check that it was copied whole/);
});
