import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DataType, Port, Session } from './onnx.ts';
import { areFinite, floatFeed, idTensor, inputPorts, numberTensor, toFloats } from './tensors.ts';

const session = (...inputs: Port[]): Session => ({
  file: 'graph.onnx',
  inputs,
  outputs: [],
  run: async () => ({}),
  release: async () => {},
});

const port = (type: DataType, shape: Port['shape'], name = 'x'): Port => ({ name, type, shape });

test('a timestep takes the type and shape that the graph wants', () => {
  for (const { wanted, data, dims } of [
    { wanted: port('float32', []), data: Float32Array.of(12.75), dims: [] },
    { wanted: port('int64', [1]), data: BigInt64Array.of(12n), dims: [1] },
    { wanted: port('int32', ['steps']), data: Int32Array.of(12), dims: [1] },
    { wanted: port('float64', ['batch']), data: Float64Array.of(12.75, 12.75, 12.75), dims: [3] },
    { wanted: port('float16', [2]), data: Uint16Array.of(0x4a60, 0x4a60), dims: [2] },
  ]) {
    const tensor = numberTensor(session(), wanted, 12.75, { count: 3, name: 'batch' });
    assert.deepEqual(tensor, { type: wanted.type, data, dims });
  }
  assert.throws(
    () => numberTensor(session(), port('string', []), 1, { count: 1, name: 'batch' }),
    /graph\.onnx: input x is string/,
  );
});

test('numbers are fed in float32 or float16, and refused as anything else', () => {
  for (const type of ['float32', 'float16'] as const) {
    const feed = floatFeed(session(), port(type, [2, 1]), [2, 1]);
    feed.values.set([0.5, -2]);
    const tensor = feed.send();
    assert.deepEqual([...toFloats(session(), 'y', tensor)], [0.5, -2]);
    assert.deepEqual([tensor.type, tensor.dims], [type, [2, 1]]);
  }
  assert.throws(() => floatFeed(session(), port('int8', [1]), [1]), /graph\.onnx: input x is int8/);
  assert.throws(
    () => toFloats(session(), 'y', { type: 'int8', data: new Int8Array(1), dims: [1] }),
    /output y is int8/,
  );
});

test('token ids take the width that the graph wants', () => {
  const ids = Int32Array.of(1, 2);
  assert.deepEqual(idTensor(session(), port('int64', [1, 2]), [ids]).data, BigInt64Array.of(1n, 2n));
  const two = idTensor(session(), port('int32', ['batch', 2]), [ids, ids]);
  assert.deepEqual([two.data, two.dims], [Int32Array.of(1, 2, 1, 2), [2, 2]]);
  assert.throws(() => idTensor(session(), port('float32', [1, 2]), [ids]), /int64 and int32/);
});

test('a graph of another model is refused by its inputs', () => {
  const [sample, extra] = [port('float32', [1], 'sample'), port('float32', [1], 'time_ids')];
  assert.deepEqual(inputPorts(session(sample), ['sample']), { sample });
  assert.throws(() => inputPorts(session(sample, extra), ['sample']), /input time_ids is not supported/);
  assert.throws(() => inputPorts(session(), ['sample']), /has no input sample/);
});

test('a single value that is not finite is found', () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? -1 : 1) * 3e38);
  assert.equal(areFinite(values), true);
  for (const wrong of [Number.NaN, Infinity, -Infinity]) {
    for (const at of [0, 500, 999]) assert.equal(areFinite(values.with(at, wrong)), false, `${wrong} at ${at}`);
  }
});
