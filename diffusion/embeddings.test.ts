import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionModel } from '../test/support/function-model.ts';
import { createEmbeddings } from './embeddings.ts';

test('what is asked for together is encoded once, and the least used goes first', async () => {
  const { model, calls } = functionModel();
  // An embedding so wide that only two are kept.
  const wide = { ...model, textEncoder: { ...model.textEncoder, width: 2 ** 30 } };
  const embeddings = createEmbeddings(wide);
  const [one, same] = await Promise.all([embeddings.of(['a']), embeddings.of(['a'])]);
  assert.equal(one[0], same[0]);
  await embeddings.of(['b']);
  await embeddings.of(['a']);
  await embeddings.of(['a b']);
  assert.equal(calls.textEncoder.length, 3);
  assert.equal((await embeddings.of(['a']))[0], one[0], 'still kept');
  await embeddings.of(['b']);
  assert.equal(calls.textEncoder.length, 4, 'b had gone');
});

test('prompts of a batch are encoded in calls of one size, and are what they are alone', async () => {
  const { model, calls } = functionModel();
  const prompts = ['a', 'b', 'a b', 'b', 'b a'];
  const together = await createEmbeddings(model, 3).of(prompts);
  assert.deepEqual(
    calls.textEncoder.map(({ input_ids: ids }) => ids!.dims),
    [
      [3, 4],
      [3, 4],
    ],
  );
  assert.equal(together[1], together[3]);
  assert.deepEqual(together, await createEmbeddings(model).of(prompts));
  const fixed = { ...model, textEncoder: { ...model.textEncoder, ids: { ...model.textEncoder.ids, shape: [1, 4] } } };
  assert.deepEqual(await createEmbeddings(fixed, 3).of(prompts), together);
  assert.deepEqual(
    calls.textEncoder.at(-1)!.input_ids!.dims,
    [1, 4],
    'a graph that is exported for one prompt gets one',
  );
});
