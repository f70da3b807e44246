import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure } from '../../contract/failure.ts';
import type { Session, Tensor } from '../../diffusion/onnx.ts';
import { createSampler, type SamplerOptions } from '../../diffusion/pipeline.ts';
import { functionModel } from '../../test/support/function-model.ts';
import type { LoadedGate } from '../gate/gate.ts';
import type { GateToLoad } from './messages.ts';
import { tryBatch } from './trial.ts';

const SAMPLING = { steps: 3, guidanceScale: 3, negativePrompt: '', height: 8, width: 12 };
type Graph = 'unet' | 'vae';

/** A sampler of a model one of whose graphs does something else. */
function samplerWith(
  graph: Graph,
  run: (real: Session['run'], feeds: Record<string, Tensor>) => ReturnType<Session['run']>,
  options: SamplerOptions = {},
) {
  const { model, calls } = functionModel();
  const { session } = model[graph];
  const changed = { ...session, run: (feeds: Record<string, Tensor>) => run(session.run, feeds) } as Session;
  return {
    sampler: createSampler({ ...model, [graph]: { ...model[graph], session: changed } }, SAMPLING, options),
    calls,
  };
}

const failsAbove = (rows: number, message: string, options?: SamplerOptions) =>
  samplerWith(
    'unet',
    async (real, feeds) => {
      if (feeds.sample!.dims[0]! > 2 * rows) throw new Error(message);
      return real(feeds);
    },
    options,
  );

const failureOf = async (promise: Promise<unknown>): Promise<Failure> => {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (reason) => reason,
  );
  return error;
};
const toLoad = { batchSize: 8, gates: [] };

test('a batch goes once through each graph, with all of its rows', async () => {
  const { model, calls } = functionModel();
  await tryBatch({ sampler: createSampler(model, SAMPLING), gates: [], encoder: null, toLoad });
  assert.deepEqual(
    [calls.unet, calls.vae].map((feeds) => feeds.map((feed) => Object.values(feed)[0]!.dims[0])),
    [[16], [8]],
  );
  assert.ok(calls.textEncoder.length > 0);
});

test('a batch that does not fit fails for good, with the size that does', async () => {
  const oom = 'unet/model.onnx failed while running: CUDA failure 2: out of memory';
  const failure = await failureOf(tryBatch({ ...failsAbove(2, oom), gates: [], encoder: null, toLoad }));
  assert.deepEqual([failure.reason, failure.retryable, failure.exitCode], ['BatchTooLarge', false, 78]);
  assert.equal(failure.message, `${oom}: a batch of 8 images does not fit, 2 do; set spec.workers.batchSize: 2`);
  const none = await failureOf(
    tryBatch({ ...failsAbove(0, 'Failed to allocate memory'), gates: [], encoder: null, toLoad }),
  );
  assert.match(none.message, /not even one image fits; take a device with more memory/);
});

test('smaller batches are tried as such on a device whose calls are filled up', async () => {
  const parts = { ...failsAbove(3, 'CUDA failure 2: out of memory', { padTo: 8 }), gates: [], encoder: null, toLoad };
  assert.match((await failureOf(tryBatch(parts))).message, /a batch of 8 images does not fit, 2 do/);
});

test('a missing kernel is a fault of the model, a failing device one of the node', async () => {
  const kernel = await failureOf(
    tryBatch({
      ...failsAbove(0, 'NOT_IMPLEMENTED: Could not find an implementation for X(7)'),
      gates: [],
      encoder: null,
      toLoad,
    }),
  );
  assert.deepEqual([kernel.reason, kernel.exitCode], ['ModelInvalid', 78]);
  assert.match(kernel.message, /implementation for X\(7\); check the model/);
  const device = await failureOf(
    tryBatch({ ...failsAbove(0, 'CUDA failure 719: unspecified launch failure'), gates: [], encoder: null, toLoad }),
  );
  assert.deepEqual([device.reason, device.exitCode], ['ProviderUnavailable', 78]);
});

test('a graph that gives what is not a number is named', async () => {
  for (const [graph, expected] of [
    ['unet', /values that are not numbers .* at step 1 of 1/],
    ['vae', /values that are not numbers .*, which become black images; use the decoder in float32/],
  ] as const) {
    const { sampler } = samplerWith(graph, async (real, feeds) => {
      const outputs = await real(feeds);
      (Object.values(outputs)[0]!.data as Float32Array)[0] = Number.NaN;
      return outputs;
    });
    const failure = await failureOf(tryBatch({ sampler, gates: [], encoder: null, toLoad }));
    assert.equal(failure.reason, 'ModelInvalid');
    assert.match(failure.message, expected);
  }
});

test('every gate judges the whole batch, and scores must be numbers', async () => {
  const { model } = functionModel();
  const asked: unknown[] = [];
  const gateOf = (score: number): LoadedGate => ({
    name: 'sex',
    async judge(images, samples) {
      asked.push([images.length, samples[0]]);
      return images.map(() => ({ passed: false, score }));
    },
  });
  const gate = { gate: { axis: 'sex', appliesTo: ['male'] }, dir: 'gates/sex', values: ['female', 'male'] };
  const parts = {
    sampler: createSampler(model, SAMPLING),
    toLoad: { batchSize: 3, gates: [gate as unknown as GateToLoad] },
  };
  await tryBatch({ ...parts, encoder: null, gates: [gateOf(0.5)] });
  assert.deepEqual(asked, [[3, { axes: { sex: 'male' }, exact: { sex: 0 } }]]);
  const failure = await failureOf(tryBatch({ ...parts, encoder: null, gates: [gateOf(Number.NaN)] }));
  assert.match(failure.message, /^gate sex: gates\/sex\/model\.onnx gives scores that are not numbers/);
});
