import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parse } from 'yaml';
import { samplesBetween, seedOf } from '../contract/plan/plan.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import { engineStart, imageEncoder } from '../worker/context.ts';
import { loadEngine } from '../worker/engine/load.ts';
import { prepare } from '../worker/prepare.ts';

/** Soak: generator and all gates in one process, batch after batch of changing size; memory must stay flat. */

export interface SoakResult {
  readonly batches: number;
  /** Resident memory in MiB after the first tenth, when every shape has been seen, and at the end. */
  readonly early: number;
  readonly late: number;
}

const MIB = 2 ** 20;

/** Runs the demo's model and gates, one step an image, so that sessions are called as often as possible. */
export async function soak(batches: number): Promise<SoakResult> {
  const document = parse(await readFile(new URL('../examples/demo.yaml', import.meta.url), 'utf8'));
  document.spec.model.sampling.steps = 1;
  const prepared = await prepare(parseDataset(document), { baseDir: 'examples', cacheDir: tmpdir() });
  const { plan } = prepared;
  const engine = await loadEngine(engineStart(prepared, { provider: 'cpu', threads: null }), 'cpu');
  const encode = imageEncoder(plan);
  let early = 0;
  for (let batch = 0; batch < batches; batch++) {
    const samples = samplesBetween(plan, 0, 1 + (batch % 4));
    const requests = samples.map((sample) => ({ ...sample, seed: seedOf(plan, sample.index, batch % 8) }));
    const images = await engine.generate(requests);
    await engine.judge(images, requests);
    await encode(images[0]!, samples[0]!.prompt);
    if (batch === Math.floor(batches / 10)) early = process.memoryUsage().rss / MIB;
  }
  return { batches, early, late: process.memoryUsage().rss / MIB };
}
