import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../contract/failure.ts';
import { loadModel } from './model.ts';

/** A model folder whose graphs are damaged; everything else is in order. */
const FILES: Readonly<Record<string, unknown>> = {
  'model_index.json': { _class_name: 'StableDiffusionPipeline' },
  'scheduler/scheduler_config.json': { _class_name: 'PNDMScheduler' },
  'tokenizer/tokenizer_config.json': { model_max_length: 8 },
  'tokenizer/vocab.json': { '<|startoftext|>': 0, '<|endoftext|>': 1 },
  'tokenizer/merges.txt': '',
  'text_encoder/config.json': { max_position_embeddings: 8 },
  'unet/config.json': {},
  'vae_decoder/config.json': { block_out_channels: [4, 4] },
  'text_encoder/model.onnx': '',
  'unet/model.onnx': '',
  'vae_decoder/model.onnx': '',
};

async function folder(t: TestContext, but: Readonly<Record<string, unknown>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-model-'));
  t.after(() => rm(dir, { recursive: true }));
  for (const [path, content] of Object.entries({ ...FILES, ...but })) {
    if (content === undefined) continue;
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

for (const { name, but, expected } of [
  {
    name: 'all files that are missing',
    but: { 'unet/model.onnx': undefined, 'tokenizer/vocab.json': undefined, 'vae_decoder/config.json': undefined },
    expected: /lacks vae_decoder\/config\.json, tokenizer\/vocab\.json, unet\/model\.onnx;/,
  },
  {
    name: 'a pipeline of another kind',
    but: { 'model_index.json': { _class_name: 'StableDiffusionXLPipeline' } },
    expected: /model_index\.json: StableDiffusionXLPipeline is not supported/,
  },
  {
    name: 'a scheduler that is not known',
    but: { 'scheduler/scheduler_config.json': { _class_name: 'LMSDiscreteScheduler' } },
    expected: /scheduler_config\.json: _class_name LMSDiscreteScheduler is not supported; use one of PNDMScheduler/,
  },
  {
    name: 'a setting of the wrong type',
    but: { 'scheduler/scheduler_config.json': { _class_name: 'PNDMScheduler', beta_start: 'low' } },
    expected: /scheduler_config\.json is not valid: beta_start: /,
  },
  {
    name: 'a vocabulary without its special tokens',
    but: { 'tokenizer/vocab.json': { a: 0 } },
    expected: /vocab\.json lacks the special token "<\|startoftext\|>"/,
  },
  { name: 'a damaged graph', but: {}, expected: /text_encoder\/model\.onnx cannot be loaded/ },
]) {
  test(`what is wrong with a model folder is named: ${name}`, async (t) => {
    await assert.rejects(loadModel(await folder(t, but), { provider: 'cpu' }), (error: Error) => {
      assert.ok(error instanceof Failure);
      assert.match(error.message, expected);
      return true;
    });
  });
}
