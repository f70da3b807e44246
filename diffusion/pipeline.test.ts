import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { functionModel } from '../test/support/function-model.ts';
import { ModelError } from './errors.ts';
import type { Session } from './onnx.ts';
import { createSampler, type Sampling } from './pipeline.ts';

const sampling = (but: Partial<Sampling> = {}): Sampling => ({
  steps: 3,
  guidanceScale: 3,
  negativePrompt: '',
  height: 8,
  width: 12,
  ...but,
});

test('images come in order, of the size and channels asked for', async () => {
  const { model } = functionModel();
  const images = await createSampler(model, sampling()).sample([
    { prompt: 'a', seed: 1 },
    { prompt: 'b', seed: 2 },
  ]);
  assert.deepEqual(
    images.map(({ width, height, channels, data }) => [width, height, channels, data.length]),
    [
      [12, 8, 1, 96],
      [12, 8, 1, 96],
    ],
  );
  assert.notDeepEqual(images[0]!.data, images[1]!.data);
  assert.deepEqual(await createSampler(model, sampling()).sample([]), []);
});

test('an image depends on its prompt and seed only, not on its company, its place or the padding', async () => {
  const { model } = functionModel();
  const alone = createSampler(model, sampling());
  const wanted = fc.array(fc.record({ prompt: fc.constantFrom('a', 'b', 'a b'), seed: fc.nat() }), {
    minLength: 1,
    maxLength: 7,
  });
  const padding = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(wanted, padding, async (all, padTo) => {
      const together = await createSampler(model, sampling(), padTo === undefined ? {} : { padTo }).sample(all);
      for (const [i, one] of all.entries()) assert.deepEqual(together[i], (await alone.sample([one]))[0]);
    }),
    { numRuns: 25 },
  );
});

test('guidance is one call on negative and prompt rows; at scale 1 the prompt runs alone', async () => {
  for (const { guidanceScale, rows } of [
    { guidanceScale: 3, rows: 4 },
    { guidanceScale: 1, rows: 2 },
    { guidanceScale: 0, rows: 2 },
  ]) {
    const { model, calls } = functionModel();
    await createSampler(model, sampling({ guidanceScale, negativePrompt: 'b' })).sample([
      { prompt: 'a', seed: 1 },
      { prompt: 'a', seed: 2 },
    ]);
    assert.equal(calls.unet.length, 3);
    const { sample, encoder_hidden_states: hidden } = calls.unet[0]!;
    assert.deepEqual(sample!.dims, [rows, 2, 4, 6]);
    const [negative, prompt] = [
      [3, 2, 4, 4],
      [3, 1, 4, 4],
    ];
    const expected = guidanceScale > 1 ? [negative, negative, prompt, prompt] : [prompt, prompt];
    assert.deepEqual([...hidden!.data], expected.flat());
  }
});

test('every call has the same number of rows when padded', async () => {
  const { model, calls } = functionModel();
  const wanted = [1, 2, 3, 4, 5].map((seed) => ({ prompt: 'a', seed }));
  const images = await createSampler(model, sampling({ guidanceScale: 1 }), { padTo: 3 }).sample(wanted);
  assert.equal(images.length, 5);
  assert.deepEqual(new Set(calls.unet.map(({ sample }) => sample!.dims[0])), new Set([3]));
  assert.deepEqual(new Set(calls.vae.map(({ latent_sample }) => latent_sample!.dims[0])), new Set([3]));
  assert.deepEqual(new Set(calls.textEncoder.map(({ input_ids }) => input_ids!.dims[0])), new Set([3]));
});

test('a graph of a fixed batch gets that batch', async () => {
  const { model, calls } = functionModel({ batch: 4 });
  await createSampler(model, sampling()).sample([1, 2, 3].map((seed) => ({ prompt: 'a', seed })));
  assert.deepEqual(new Set(calls.unet.map(({ sample }) => sample!.dims[0])), new Set([4]));
  const odd = functionModel({ batch: 3 });
  assert.throws(() => createSampler(odd.model, sampling()), /fixed to a batch of 3/);
});

test('prompts are encoded once', async () => {
  const { model, calls } = functionModel();
  const sampler = createSampler(model, sampling());
  for (let i = 0; i < 3; i++)
    await sampler.sample([
      { prompt: 'a', seed: i },
      { prompt: 'b', seed: i },
    ]);
  assert.equal(calls.textEncoder.length, 3);
});

test('a failed encoding is tried again next time', async () => {
  const { model } = functionModel({ fail: 1 });
  const sampler = createSampler(model, sampling());
  await assert.rejects(sampler.sample([{ prompt: 'a', seed: 1 }]), /out of memory/);
  assert.equal((await sampler.sample([{ prompt: 'a', seed: 1 }])).length, 1);
});

test('calls that overlap do not disturb each other', async () => {
  const { model } = functionModel();
  const sampler = createSampler(model, sampling());
  const alone = await sampler.sample([{ prompt: 'a', seed: 5 }]);
  const both = await Promise.all([5, 6].map((seed) => sampler.sample([{ prompt: 'a', seed }])));
  assert.deepEqual(both[0], alone);
});

test('an aborted run stops between two steps', async () => {
  const { model, calls } = functionModel();
  const stop = new AbortController();
  const session: Session = {
    ...model.unet.session,
    run(feeds) {
      if (calls.unet.length === 2) stop.abort(new Error('asked to stop'));
      return model.unet.session.run(feeds);
    },
  };
  const sampler = createSampler({ ...model, unet: { ...model.unet, session } }, sampling({ steps: 50 }));
  await assert.rejects(sampler.sample([{ prompt: 'a', seed: 1 }], stop.signal), /asked to stop/);
  assert.equal(calls.unet.length, 3);
});

test('what the model cannot do is refused with the field', () => {
  const { model } = functionModel();
  for (const { but, expected } of [
    { but: { height: 7 }, expected: /sampling\.height: 7 is not a multiple of 2/ },
    { but: { width: 0 }, expected: /sampling\.width: 0/ },
    { but: { scheduler: 'NoSuchSampler' }, expected: /sampling\.scheduler: NoSuchSampler is not one of PNDM, DDIM/ },
    { but: { steps: 0 }, expected: /sampling\.steps: 0/ },
    { but: { steps: 1001 }, expected: /sampling\.steps: 1001/ },
  ]) {
    assert.throws(
      () => createSampler(model, sampling(but)),
      (error: Error) => error instanceof ModelError && expected.test(error.message),
    );
  }
});

test('latents that are not numbers end the batch at that step, with what to do', async () => {
  const { model } = functionModel();
  let call = 0;
  const session: Session = {
    ...model.unet.session,
    async run(feeds) {
      const outputs = await model.unet.session.run(feeds);
      const [output] = Object.values(outputs);
      if (++call === 2) (output!.data as Float32Array)[3] = Number.NaN;
      return outputs;
    },
  };
  const broken = { ...model, unet: { ...model.unet, session } };
  await assert.rejects(createSampler(broken, sampling()).sample([{ prompt: 'a', seed: 1 }]), (error: ModelError) => {
    assert.ok(error instanceof ModelError);
    assert.equal(error.exitCode, 78);
    assert.match(error.message, /gives values that are not numbers \(NaN or infinite\) at step 2 of \d; .* float32/);
    return true;
  });
  assert.equal(call, 2);
});

test('guidance in an interval of the steps: the other calls have half of the rows', async () => {
  const { model, calls } = functionModel();
  const guidanceInterval = { start: 0.25, stop: 0.8 };
  const wanted = [
    { prompt: 'a', seed: 1 },
    { prompt: 'b', seed: 2 },
  ];
  await createSampler(model, sampling({ steps: 8, scheduler: 'DDIM', guidanceInterval })).sample(wanted);
  assert.deepEqual(
    calls.unet.map(({ sample }) => sample!.dims[0]),
    [2, 2, 4, 4, 4, 4, 2, 2],
  );
});

test('an interval of all steps is guidance as ever, an empty one and scale 1 are none', async () => {
  const { model } = functionModel();
  const wanted = [{ prompt: 'a b', seed: 7 }];
  const draw = (but: Partial<Sampling>) => createSampler(model, sampling({ steps: 6, ...but })).sample(wanted);
  assert.deepEqual(await draw({ guidanceInterval: { start: 0, stop: 1 } }), await draw({}));
  assert.deepEqual(await draw({ guidanceInterval: { start: 0.01, stop: 0.02 } }), await draw({ guidanceScale: 1 }));
  assert.notDeepEqual(await draw({ guidanceInterval: { start: 0, stop: 0.5 } }), await draw({}));
});

test('a graph that is fixed to a batch cannot change it between steps', () => {
  const { model } = functionModel({ batch: 4 });
  const guidanceInterval = { start: 0, stop: 0.5 };
  assert.throws(
    () => createSampler(model, sampling({ guidanceInterval })),
    /is fixed to a batch of 4, so sampling\.guidanceInterval/,
  );
});
