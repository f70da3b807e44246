import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../contract/failure.ts';
import { ProviderUnavailableError } from './errors.ts';
import { chooseProvider, openSession } from './onnx.ts';

/** ONNX models of one Identity node x -> y: float32 [1], float16 [n]. */
const FLOAT32 =
  '080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a00100d';
const FLOAT16 =
  '08083a390a100a017812017922084964656e746974791201675a100a0178120b0a09080a12050a0312016e62100a0179120b0a09080a12050a0312016e42040a00100d';

async function fileOf(t: TestContext, bytes: Uint8Array): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-onnx-'));
  t.after(() => rm(dir, { recursive: true }));
  const file = join(dir, 'model.onnx');
  await writeFile(file, bytes);
  return file;
}

test('a session tells its ports and runs', async (t) => {
  const session = await openSession(await fileOf(t, Buffer.from(FLOAT32, 'hex')), { provider: 'cpu', threads: 1 });
  assert.deepEqual(session.inputs, [{ name: 'x', type: 'float32', shape: [1] }]);
  assert.deepEqual(session.outputs, [{ name: 'y', type: 'float32', shape: [1] }]);
  const { y } = await session.run({ x: { type: 'float32', data: new Float32Array([0.5]), dims: [1] } });
  assert.deepEqual([...y!.data], [0.5]);
  await session.release();
});

test('float16 goes in and out as bit patterns, and the global Float16Array stays', async (t) => {
  const session = await openSession(await fileOf(t, Buffer.from(FLOAT16, 'hex')), { provider: 'cpu' });
  const { y } = await session.run({ x: { type: 'float16', data: new Uint16Array([0x3c00, 0x4100]), dims: [2] } });
  assert.ok(y!.data instanceof Uint16Array);
  assert.deepEqual([...y!.data], [0x3c00, 0x4100]);
  assert.equal(typeof Float16Array, 'function');
  await session.release();
});

test('a graph that is missing or damaged is named', async (t) => {
  const damaged = await fileOf(t, Buffer.from('not a graph'));
  for (const file of ['/nowhere/model.onnx', damaged]) {
    await assert.rejects(openSession(file, { provider: 'cpu' }), (error: Error) => {
      assert.ok(error instanceof Failure);
      assert.ok(error.message.startsWith(file), error.message);
      return true;
    });
  }
});

test('a failing run names the graph and the input', async (t) => {
  const file = await fileOf(t, Buffer.from(FLOAT32, 'hex'));
  const session = await openSession(file, { provider: 'cpu' });
  await assert.rejects(session.run({}), (error: Error) => error.message.startsWith(file) && /'x'/.test(error.message));
  await session.release();
});

test('the choice of a provider says why', async () => {
  assert.deepEqual(await chooseProvider('cpu'), { provider: 'cpu', reason: 'cpu: as requested' });
  const auto = await chooseProvider('auto');
  assert.ok(auto.reason.startsWith(`${auto.provider}: `), auto.reason);
  if (auto.provider === 'cuda') {
    assert.deepEqual(await chooseProvider('cuda'), auto);
    return;
  }
  // On a machine without CUDA, asking for it fails with what `auto` gives as its reason.
  const problem = auto.reason.slice('cpu: '.length);
  await assert.rejects(chooseProvider('cuda'), (error: Error) => {
    assert.ok(error instanceof ProviderUnavailableError && error instanceof Failure);
    assert.ok(error.message.includes(problem), error.message);
    return true;
  });
});
