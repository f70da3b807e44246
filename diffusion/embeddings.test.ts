import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionModel } from '../test/support/function-model.ts';
import { createEmbeddings } from './embeddings.ts';

test('what is asked for together is encoded once, and the least used goes first', async () => {
  const { model, calls } = functionModel();
  // An embedding so wide that only two are kept.
  const wide = { ...model, textEncoder: { ...model.textEncoder, width: 2 ** 30 } };
  const embeddings = createEmbeddings(wide);
  const [one, same] = await Promise.all([embeddings.of('a'), embeddings.of('a')]);
  assert.equal(one, same);
  await embeddings.of('b');
  await embeddings.of('a');
  await embeddings.of('a b');
  assert.equal(calls.textEncoder.length, 3);
  assert.equal(await embeddings.of('a'), one, 'still kept');
  await embeddings.of('b');
  assert.equal(calls.textEncoder.length, 4, 'b had gone');
});
