import assert from 'node:assert/strict';
import { createSampler, loadModel } from '../../diffusion/pipeline.ts';
import { modelDir, parityTest } from './goldens.ts';

parityTest('the bytes of an image do not depend on the batch, its company or the number of threads', async () => {
  const wanted = [0, 1, 2, 3].map((seed) => ({ prompt: `${60 + seed} year old female. No acute process .`, seed }));
  const sampling = { steps: 6, guidanceScale: 3, negativePrompt: 'blurred', height: 64, width: 64 };
  const model = await loadModel(modelDir, { provider: 'cpu', threads: 1 });
  const sampler = createSampler(model, sampling);
  const four = await sampler.sample(wanted);
  const three = await sampler.sample([wanted[3]!, wanted[0]!, wanted[2]!]);
  assert.deepEqual(three, [four[3], four[0], four[2]]);
  for (const [i, one] of wanted.entries()) assert.deepEqual(await sampler.sample([one]), [four[i]]);
  assert.deepEqual(await createSampler(model, sampling, { padTo: 3 }).sample(wanted), four);
  await model.release();
  const threaded = await loadModel(modelDir, { provider: 'cpu', threads: 2 });
  assert.deepEqual(await createSampler(threaded, sampling).sample(wanted.slice(1)), four.slice(1));
  await threaded.release();
});
