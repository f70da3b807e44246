import assert from 'node:assert/strict';
import { advance, BufferPool } from '../../diffusion/schedulers/advance.ts';
import { schedulerConfigSchema } from '../../diffusion/schedulers/config.ts';
import { plan, schedulerOfClass } from '../../diffusion/schedulers/index.ts';
import { initialState, type Schedule } from '../../diffusion/schedulers/schedule.ts';
import {
  available,
  type Golden,
  largestDifference,
  largestMagnitude,
  parityTest,
  readFloats,
  readGolden,
  Worst,
} from './goldens.ts';

/** Runs a schedule against the stated model, e = 0.1 x_in + 0.01 sin(t / 100); latents and inputs of all steps in a row. */
function run(schedule: Schedule, noise: Float32Array): { latents: Float32Array; inputs: Float32Array } {
  const length = noise.length;
  const latents = new Float32Array(length * schedule.steps.length);
  const inputs = new Float32Array(latents.length);
  const spares = new BufferPool(length);
  let state = initialState(noise.map((value) => value * schedule.initNoiseSigma));
  schedule.steps.forEach((step, i) => {
    const input = inputs.subarray(i * length, (i + 1) * length);
    state.sample.forEach((value, k) => {
      input[k] = value * step.inputScale;
    });
    const output = input.map((value) => 0.1 * value + 0.01 * Math.sin(step.timestep / 100));
    state = advance(step, state, output, spares);
    latents.set(state.sample, i * length);
  });
  return { latents, inputs };
}

/** Whole timesteps must be equal; those between training timesteps within 1e-3. */
const timestepLimit = ({ scheduler, config }: Golden): number =>
  config.use_karras_sigmas || (scheduler.startsWith('Euler') && config.timestep_spacing === 'linspace') ? 1e-3 : 0;

const cases: Golden[] = available ? readGolden('schedulers/cases.json').cases : [];
const kinds = new Set(cases.map(({ id }) => id.split('.')[0]));

for (const kind of kinds.size ? kinds : ['all']) {
  parityTest(`schedules and steps equal those of diffusers: ${kind}`, (report) => {
    const worst = new Worst();
    const noise = readFloats('schedulers/noise.bin');
    for (const golden of cases.filter(({ id }) => id.split('.')[0] === kind)) {
      const name = schedulerOfClass(golden.scheduler);
      assert.ok(name, golden.scheduler);
      const schedule = plan(name, schedulerConfigSchema.parse(golden.config), golden.steps);
      const timesteps = schedule.steps.map(({ timestep }) => timestep);
      worst.see('timesteps', golden.id, largestDifference(timesteps, golden.timesteps), timestepLimit(golden));
      const relative = (value: number, size: number): number => value / Math.max(1, size);
      const sigma = relative(schedule.initNoiseSigma - golden.init_noise_sigma, golden.init_noise_sigma);
      worst.see('initial sigma (relative)', golden.id, Math.abs(sigma), 1e-6);
      if (golden.sigmas) {
        const sigmas = largestDifference(schedule.sigmas ?? [], golden.sigmas);
        worst.see('sigmas (relative)', golden.id, relative(sigmas, golden.sigmas[0]), 1e-6);
      }
      const { latents, inputs } = run(schedule, noise);
      const theirs = readFloats(`schedulers/${golden.latents.file}`);
      const size = largestMagnitude(theirs);
      worst.see('latents (relative)', golden.id, relative(largestDifference(latents, theirs), size), 1e-5);
      if (golden.model_inputs) {
        const difference = largestDifference(inputs, readFloats(`schedulers/${golden.model_inputs.file}`));
        worst.see('model inputs (relative)', golden.id, relative(difference, size), 1e-5);
      }
    }
    worst.finish(report);
  });
}
