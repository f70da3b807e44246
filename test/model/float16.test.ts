import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { EXPORTER_ENVIRONMENT } from '../../cli/model/exporter.ts';
import { virtualPython } from '../../cli/train/venv.ts';
import { gateSchema, type ModelGate } from '../../contract/schema/spec.ts';
import { loadModel } from '../../diffusion/pipeline.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { startEngine } from '../../worker/engine/engine.ts';
import type { SampledImage } from '../../worker/engine/messages.ts';
import { REPO, runCli } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

/**
 * Graphs in float16, end to end on the CPU. ONNX Runtime calculates them in float32 there and rounds what enters and leaves a
 * graph, so this shows that the types are converted and that latents bear the rounding, not what a GPU's kernels do.
 */

const PHANTOM = join(REPO, 'models/phantom');
/** Largest differences of a float16 model from float32: in latents, and in 255 grey levels. */
const TOLERANCE = { latents: 2.5e-2, levels: 4 };

const requests = ['female', 'male'].map((sex, seed) => ({
  prompt: `63 year old WHITE ${sex}. Moderate cardiomegaly .`,
  seed,
  axes: { sex },
  exact: {},
}));

describe('a model in float16', { skip: await missingPython() }, () => {
  let half: string;
  before(async () => {
    half = await mkdtemp(join(tmpdir(), 'cohortfarm-half-'));
    for (const entry of [
      'model_index.json',
      'scheduler',
      'tokenizer',
      'text_encoder',
      'unet',
      'vae_decoder',
      'gates/sex',
    ])
      await cp(join(PHANTOM, entry), join(half, entry), { recursive: true });
    const graphs = ['text_encoder', 'unet', 'vae_decoder', 'gates/sex=float32'];
    await promisify(execFile)(
      await virtualPython(EXPORTER_ENVIRONMENT),
      [join(import.meta.dirname, 'half.py'), PHANTOM, half, ...graphs],
      { env: { ...process.env, PYTHONPATH: join(REPO, 'exporter') } },
    );
  });
  after(() => rm(half, { recursive: true, force: true }));

  test('every graph takes and gives float16', async () => {
    const { textEncoder, unet, vae, release } = await loadModel(half, { provider: 'cpu', threads: 1 });
    const ports = [textEncoder.hidden, ...Object.values(unet.ports), unet.output, vae.input, vae.output];
    assert.deepEqual(new Set(ports.map(({ type }) => type)), new Set(['float16']));
    await release();
  });

  test('it draws what diffusers draws in float32, within the tolerance of float16', async (t) => {
    const source = ['--source', join(PHANTOM, 'diffusers'), '--batch-size', '2', '--steps', '5'];
    const { code, stdout, stderr } = await runCli(['model', 'check', half, '--json', '--provider', 'cpu', ...source]);
    assert.equal(code, 0, stderr);
    const { diffusers, black } = JSON.parse(stdout);
    t.diagnostic(`latents within ${diffusers.latents}, images within ${diffusers.levels} levels`);
    assert.ok(diffusers.latents <= TOLERANCE.latents && diffusers.levels <= TOLERANCE.levels, stdout);
    assert.ok(diffusers.latents > 1e-3, 'a model in float32 would be nearer');
    assert.equal(black, 0);
  });

  test('a worker draws the images of the float32 model with it, and a gate in float16 says the same of them', async (t) => {
    const single = await drawn(t, PHANTOM, [join(PHANTOM, 'gates/sex')]);
    const ours = await drawn(t, half, [join(half, 'gates/sex'), join(PHANTOM, 'gates/sex')]);
    const levels = ours.map(({ image }, i) => largest(image.data, single[i]!.image.data));
    const scores = ours.map(({ verdicts }) => Math.abs(verdicts.sex0!.score - verdicts.sex1!.score));
    t.diagnostic(`images within ${Math.max(...levels)} levels, scores within ${Math.max(...scores)}`);
    assert.ok(Math.max(...levels) <= TOLERANCE.levels);
    assert.ok(Math.max(...scores) < 0.01);
    for (const [i, { verdicts }] of ours.entries()) {
      assert.equal(verdicts.sex0!.passed, single[i]!.verdicts.sex0!.passed);
      assert.equal(verdicts.sex0!.passed, verdicts.sex1!.passed);
    }
  });
});

/** The images of an engine process. @param gates folders of the gates sex0, sex1 and so on */
async function drawn(t: TestContext, model: string, gates: readonly string[]): Promise<SampledImage[]> {
  const engine = startEngine({
    start: {
      model,
      sampling: { steps: 8, guidanceScale: 3, negativePrompt: '', height: 128, width: 128 },
      batchSize: 2,
      provider: 'cpu',
      threads: 2,
      gates: gates.map((dir, i) => {
        const fields = { name: `sex${i}`, axis: 'sex', type: 'Classifier', modelUri: 'unused' };
        return { gate: gateSchema.parse(fields) as ModelGate, dir, values: ['female', 'male'] };
      }),
      encoder: null,
    },
  });
  t.after(() => engine.close());
  await engine.ready;
  const images = await engine.sample(requests);
  engine.close();
  return images;
}

const largest = (a: RawImage['data'], b: RawImage['data']): number =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce(
    (most, level) => Math.max(most, level),
    a.length === b.length ? 0 : 256,
  );
