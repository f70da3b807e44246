import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { SCHEDULERS } from '../../contract/schema/spec.ts';
import { advance, BufferPool } from '../../diffusion/schedulers/advance.ts';
import { schedulerConfigSchema } from '../../diffusion/schedulers/config.ts';
import { classOfScheduler, plan, type SchedulerName } from '../../diffusion/schedulers/index.ts';
import { initialState } from '../../diffusion/schedulers/schedule.ts';
import { missingPython } from '../support/venv.ts';
import { diffusersPython } from './python.ts';

/** Every sampler against its class in diffusers, step by step; test/parity compares more settings with stored results. */

const STABLE_DIFFUSION = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  set_alpha_to_one: false,
  skip_prk_steps: true,
  clip_sample: false,
  steps_offset: 1,
};
/** Settings beyond those of Stable Diffusion; those that a class does not know it ignores. */
const SETTINGS: Readonly<Partial<Record<SchedulerName, readonly object[]>>> = {
  UniPC: [
    ...[1, 2, 3].map((solver_order) => ({ solver_order, solver_type: 'bh2' })),
    // diffusers divides by zero here when the last noise level is 0.
    ...[1, 2, 3].map((solver_order) => ({ solver_order, solver_type: 'bh1', final_sigmas_type: 'sigma_min' })),
    { predict_x0: false, final_sigmas_type: 'sigma_min' },
    { use_karras_sigmas: true },
    { disable_corrector: [0, 1] },
    { final_sigmas_type: 'sigma_min' },
    { timestep_spacing: 'leading' },
    { timestep_spacing: 'trailing' },
  ],
};
const PREDICTIONS = ['epsilon', 'v_prediction'];
const STEPS = [5, 20];

const noise = Array.from({ length: 64 }, (_, i) => Math.fround(1.5 * Math.sin(12.9898 * (i + 1))));

function sample(name: SchedulerName, config: object, steps: number): { timesteps: number[]; sample: Float32Array } {
  const schedule = plan(name, schedulerConfigSchema.parse(config), steps);
  const buffers = new BufferPool(noise.length);
  let state = initialState(Float32Array.from(noise, (value) => value * schedule.initNoiseSigma));
  for (const step of schedule.steps) {
    const output = state.sample.map((value) => 0.1 * value * step.inputScale + 0.01 * Math.sin(step.timestep / 100));
    state = advance(step, state, output, buffers);
  }
  return { timesteps: schedule.steps.map(({ timestep }) => timestep), sample: state.sample };
}

test('every sampler draws what its class in diffusers draws', { skip: await missingPython() }, async (t) => {
  const cases = SCHEDULERS.flatMap((name) =>
    [{}, ...(SETTINGS[name] ?? [])].flatMap((settings) =>
      PREDICTIONS.flatMap((prediction_type) =>
        STEPS.map((steps) => ({ name, steps, config: { ...STABLE_DIFFUSION, prediction_type, ...settings } })),
      ),
    ),
  );
  const input = cases.map(({ name, ...rest }) => ({ ...rest, class: classOfScheduler(name), noise }));
  const lines = execFileSync(await diffusersPython(), [join(import.meta.dirname, 'schedulers.py')], {
    input: JSON.stringify(input),
    maxBuffer: 2 ** 26,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const theirs = String(lines)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(theirs.length, cases.length);
  let worst = 0;
  for (const [i, { name, config, steps }] of cases.entries()) {
    const which = `${name}, ${steps} steps, ${JSON.stringify(config)}`;
    const ours = sample(name, config, steps);
    const expected: { timesteps: number[]; sample: number[] } = theirs[i];
    assert.equal(ours.timesteps.length, expected.timesteps.length, which);
    for (const [k, timestep] of ours.timesteps.entries())
      assert.ok(
        Math.abs(timestep - expected.timesteps[k]!) <= 1e-3,
        `${which}: timestep ${timestep}, ${expected.timesteps[k]}`,
      );
    const size = Math.max(1, ...expected.sample.map(Math.abs));
    const difference = Math.max(...expected.sample.map((value, k) => Math.abs(value - ours.sample[k]!))) / size;
    assert.ok(difference <= 1e-5, `${which}: ${difference}`);
    worst = Math.max(worst, difference);
  }
  t.diagnostic(`${cases.length} cases, at most ${worst.toExponential(1)} apart`);
});
