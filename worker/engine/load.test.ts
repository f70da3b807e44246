import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gateSchema, type ModelGate } from '../../contract/schema/spec.ts';
import { REPO } from '../../test/support/cli.ts';
import { type LoadedEngine, loadEngine, type ToLoad } from './load.ts';

/** Steady shapes, as on CUDA, on the CPU: with a gate and an encoder that take nothing but four images a call. */

const PHANTOM = join(REPO, 'models/phantom');
const BATCH = 4;

const requests = ['female', 'male', 'female'].map((sex, seed) => ({
  prompt: `63 year old ${sex}`,
  seed,
  axes: { sex },
  exact: {},
}));

/** Copies a graph's folder; its dimension "batch" becomes the number, in as many bytes. */
async function fixBatch(source: string, target: string): Promise<string> {
  await cp(source, target, { recursive: true });
  const file = join(target, 'model.onnx');
  const graph = await readFile(file);
  const [name, number] = [
    Buffer.from('\x12\x05batch'),
    Buffer.from([0x08, 0x80 | BATCH, 0x80, 0x80, 0x80, 0x80, 0x00]),
  ];
  const places: number[] = [];
  for (let at = graph.indexOf(name); at >= 0; at = graph.indexOf(name, at + 1)) places.push(at);
  assert.ok(places.length > 0);
  for (const at of places) number.copy(graph, at);
  await writeFile(file, graph);
  return target;
}

describe('an engine whose device likes steady shapes', () => {
  let dir: string;
  let plain: LoadedEngine;
  let steady: LoadedEngine;
  let moving: LoadedEngine;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-steady-'));
    const load = (gate: string, encoder: string, isSteady: boolean): Promise<LoadedEngine> => {
      const fields = { name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'unused', appliesTo: ['female'] };
      const toLoad: ToLoad = {
        model: PHANTOM,
        sampling: { steps: 2, guidanceScale: 3, negativePrompt: '', height: 128, width: 128 },
        batchSize: BATCH,
        threads: 1,
        gates: [{ gate: gateSchema.parse(fields) as ModelGate, dir: gate, values: ['female', 'male'] }],
        encoder,
      };
      return loadEngine(toLoad, 'cpu', isSteady);
    };
    const fixed = {
      gate: await fixBatch(join(PHANTOM, 'gates/sex'), join(dir, 'sex')),
      encoder: await fixBatch(join(PHANTOM, 'encoder'), join(dir, 'encoder')),
    };
    plain = await load(join(PHANTOM, 'gates/sex'), join(PHANTOM, 'encoder'), false);
    steady = await load(fixed.gate, fixed.encoder, true);
    moving = await load(fixed.gate, join(PHANTOM, 'encoder'), false);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test('it says how many images a call computes', () => {
    assert.deepEqual([steady.rows, plain.rows], [BATCH, 1]);
  });

  test('every gate and the encoder look at a full batch, and say the same of its images', async () => {
    const images = await steady.generate(requests);
    assert.deepEqual(images, await plain.generate(requests));
    const expected = await plain.judge(images, requests);
    assert.deepEqual(
      expected.verdicts.map((verdicts) => Object.keys(verdicts)),
      [['sex'], [], ['sex']],
    );
    assert.deepEqual(await steady.judge(images, requests), expected);
    assert.deepEqual(await steady.judge(images.slice(0, 1), requests.slice(0, 1)), {
      verdicts: expected.verdicts.slice(0, 1),
      features: expected.features!.slice(0, 1),
    });
    await steady.trial();
  });

  test('otherwise a gate looks at the images that it applies to', async () => {
    const images = await plain.generate(requests);
    await assert.rejects(moving.judge(images, requests), /Got: 2 Expected: 4/);
  });
});
