import assert from 'node:assert/strict';
import { decodeLatents, toRawImage } from '../../diffusion/decode.ts';
import { createWorkspace, denoise, guidedSteps } from '../../diffusion/denoise.ts';
import { createEmbeddings } from '../../diffusion/embeddings.ts';
import { type DiffusionModel, loadModel } from '../../diffusion/model.ts';
import { schedulerConfigSchema } from '../../diffusion/schedulers/config.ts';
import { plan, schedulerOfClass } from '../../diffusion/schedulers/index.ts';
import { floatFeed, numberTensor, toFloats } from '../../diffusion/tensors.ts';
import {
  type Golden,
  largestDifference,
  largestMagnitude,
  modelDir,
  parityTest,
  readBytes,
  readFloats,
  readGolden,
  Worst,
} from './goldens.ts';

const load = (): Promise<DiffusionModel> => loadModel(modelDir, { provider: 'cpu' });

/** Rows of a stored noise array. */
function rowsOf({ file, shape, rows }: Golden): Float32Array {
  const all = readFloats(`pipeline/${file}`);
  const length = all.length / shape[0];
  const chosen = new Float32Array(rows.length * length);
  rows.forEach((row: number, i: number) => {
    chosen.set(all.subarray(row * length, (row + 1) * length), i * length);
  });
  return chosen;
}

parityTest('single calls of text encoder, UNet and VAE decoder equal those of torch', async (report) => {
  const model = await load();
  const { components } = readGolden('pipeline/cases.json');
  const worst = new Worst();
  const { prompts } = components.text_encoder;
  const hidden = await createEmbeddings(model).of(prompts);
  const stored = readFloats(`pipeline/${components.text_encoder.last_hidden_state.file}`);
  const length = hidden[0]!.length;
  hidden.forEach((ours, i) => {
    const theirs = stored.subarray(i * length, (i + 1) * length);
    worst.see('text encoder output', `prompt ${i}`, largestDifference(ours, theirs), 1e-4);
  });
  for (const call of components.unet) {
    const output = await callUnet(model, call, hidden);
    const difference = largestDifference(output, readFloats(`pipeline/${call.out_sample.file}`));
    worst.see('UNet output', call.out_sample.file, difference, 1e-4);
  }
  for (const call of components.vae_decoder) {
    const [, , height, width] = call.latents_before_scaling.shape;
    const output = await decodeLatents(model, rowsOf(call.latents_before_scaling), { height, width });
    const difference = largestDifference(output, readFloats(`pipeline/${call.sample_nchw.file}`));
    worst.see('VAE decoder output', call.sample_nchw.file, difference, 1e-4);
  }
  worst.finish(report);
  await model.release();
});

async function callUnet(model: DiffusionModel, call: Golden, hidden: Float32Array[]): Promise<Float32Array> {
  const { session, ports, output } = model.unet;
  const rows: number = call.sample.rows.length;
  const sample = floatFeed(session, ports.sample, [rows, ...call.sample.shape.slice(1)]);
  sample.values.set(rowsOf(call.sample));
  const { length } = model.tokenizer;
  const states = floatFeed(session, ports.encoder_hidden_states, [rows, length, model.textEncoder.width]);
  call.encoder_hidden_states_rows.forEach((row: number, i: number) => {
    states.values.set(hidden[row]!, i * hidden[row]!.length);
  });
  const outputs = await session.run({
    sample: sample.send(),
    timestep: numberTensor(session, ports.timestep, call.timestep, { count: rows, name: ports.sample.shape[0] }),
    encoder_hidden_states: states.send(),
  });
  return toFloats(session, output.name, outputs[output.name]!);
}

parityTest('whole runs equal those of StableDiffusionPipeline', async (report) => {
  const model = await load();
  const worst = new Worst();
  for (const golden of readGolden('pipeline/cases.json').cases) await comparePipeline(model, golden, worst);
  worst.finish(report);
  await model.release();
});

async function comparePipeline(model: DiffusionModel, golden: Golden, worst: Worst): Promise<void> {
  const name = schedulerOfClass(golden.scheduler_class);
  assert.ok(name);
  const schedule = plan(name, schedulerConfigSchema.parse(golden.scheduler_config), golden.steps);
  const size = { height: golden.height / model.vae.scale, width: golden.width / model.vae.scale };
  const guided = guidedSteps(golden.guidance_scale, undefined, schedule.steps.length);
  const setting = { schedule, guidanceScale: golden.guidance_scale, guided, ...size };
  const [negative, ...embeddings] = await createEmbeddings(model).of([golden.negative_prompt ?? '', ...golden.prompts]);
  const steps: Float32Array[] = [];
  const latents = await denoise(model, setting, createWorkspace(model, setting, golden.prompts.length), {
    noise: rowsOf(golden.noise),
    embeddings,
    negative,
    onStep: (values) => steps.push(values.slice()),
  });
  assert.equal(steps.length, golden.unet_calls, golden.id);
  const observed = golden.onnxruntime_cpu_vs_torch.latents_max_abs;
  const limit = golden.guidance_scale > 3 ? Math.max(2e-4, 5 * observed) : 2e-4;
  const stated = golden.guidance_scale > 3 ? 'latents, guidance 7.5' : 'latents, guidance 1 or 3';
  worst.see(stated, golden.id, largestDifference(latents, readFloats(`pipeline/${golden.latents.file}`)), limit);
  if (golden.step_latents) {
    const theirs = readFloats(`pipeline/${golden.step_latents.file}`);
    const ours = Float32Array.from(steps.flatMap((step) => [...step]));
    const relative = largestDifference(ours, theirs) / Math.max(1, largestMagnitude(theirs));
    worst.see('latents of every step (relative)', golden.id, relative, limit);
  }
  await compareImages(model, golden, latents, worst);
}

async function compareImages(
  model: DiffusionModel,
  golden: Golden,
  latents: Float32Array,
  worst: Worst,
): Promise<void> {
  const { height, width } = golden;
  const latentSize = { height: height / model.vae.scale, width: width / model.vae.scale };
  const values = await decodeLatents(model, latents, latentSize);
  const count = golden.prompts.length;
  const length = values.length / count;
  const images = golden.prompts.map((_: string, i: number) =>
    toRawImage(values.subarray(i * length, (i + 1) * length), model.vae.imageChannels, { height, width }),
  );
  const float = Float32Array.from({ length }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    return Math.min(1, Math.max(0, values[channel * height * width + pixel]! / 2 + 0.5));
  });
  const theirs = readFloats(`pipeline/${golden.image_f32_first.file}`);
  worst.see('float image', golden.id, largestDifference(float, theirs), 1e-4);
  const bytes = Uint8Array.from(images.flatMap(({ data }: { data: Uint8Array }) => [...data]));
  const stored = readBytes(`pipeline/${golden.image_u8.file}`);
  worst.see('8-bit image, levels', golden.id, largestDifference(bytes, stored), 1);
  const differing = bytes.reduce((total, value, i) => total + Number(value !== stored[i]), 0) / bytes.length;
  worst.see('8-bit image, share of values', golden.id, differing, 0.01);
}
