import { alphasForSigmas, sigmasOf, trainTimesteps } from './alphas.ts';
import { oneOf, predictionOf, type SchedulerConfig, spacingOf } from './config.ts';
import type { Schedule, Step } from './schedule.ts';
import { finalSigma, interpolate, rampOf, rampSigmas, timestepOfSigma } from './sigmas.ts';
import { checkTimesteps, linspace, roundHalfEven, spaceTimesteps } from './timesteps.ts';

const f32 = Math.fround;

/**
 * Euler's method on the probability flow. Source: T. Karras et al., "Elucidating the Design Space of Diffusion-Based
 * Generative Models" (2022), algorithm 2 without churn; diffusers, EulerDiscreteScheduler. The sample is not variance
 * preserving: the model sees it divided by sqrt(sigma^2 + 1).
 */
export function planEuler(config: SchedulerConfig, steps: number): Schedule {
  const { timesteps, sigmas } = noiseLevels(config, steps);
  const prediction = predictionOf(config);
  const calls = timesteps.map((timestep, i): Step => {
    const [sigma, change] = [sigmas[i]!, sigmas[i + 1]! - sigmas[i]!];
    const variance = sigma * sigma + 1;
    // The derivative (sample - clean) / sigma, as weights of sample and model output.
    const slope = {
      epsilon: { sample: 0, output: 1 },
      v_prediction: { sample: sigma / variance, output: 1 / Math.sqrt(variance) },
      sample: { sample: 1 / sigma, output: -1 / sigma },
    }[prediction];
    return {
      timestep,
      inputScale: 1 / Math.sqrt(variance),
      estimate: { sample: 0, output: 1 },
      next: { sample: 1 + change * slope.sample, output: change * slope.output },
      keep: [],
    };
  });
  const highest = Math.max(...sigmas);
  const leading = spacingOf(config, 'linspace') === 'leading';
  return { steps: calls, initNoiseSigma: leading ? Math.sqrt(highest * highest + 1) : highest, sigmas };
}

function noiseLevels(config: SchedulerConfig, steps: number): { timesteps: number[]; sigmas: number[] } {
  const train = trainTimesteps(config);
  const spacing = spacingOf(config, 'linspace');
  const spaced = { spacing, steps, train, offset: config.steps_offset ?? 0 };
  const table = sigmasOf(alphasForSigmas(config));
  let timesteps = spaceTimesteps(spaced).map(spacing === 'linspace' ? f32 : roundHalfEven);
  checkTimesteps(timesteps, train);
  let sigmas = timesteps.map((timestep) => interpolate(table, timestep));
  if (oneOf(config, 'interpolation_type', ['linear', 'log_linear'], 'linear') === 'log_linear') {
    sigmas = linspace(Math.log(table.at(-1)!), Math.log(table[0]!), steps + 1).map(Math.exp);
  }
  const ramp = rampOf(config, ['karras', 'exponential']);
  if (ramp) {
    sigmas = rampSigmas(ramp, config, { high: sigmas[0]!, low: sigmas.at(-1)! }, steps);
    timesteps = sigmas.map((sigma) => f32(timestepOfSigma(sigma, table)));
  }
  sigmas = [...sigmas, finalSigma(config, table[0]!)].map(f32);
  if (oneOf(config, 'timestep_type', ['discrete', 'continuous'], 'discrete') === 'continuous') {
    if (predictionOf(config) === 'v_prediction') timesteps = timesteps.map((_, i) => f32(0.25 * Math.log(sigmas[i]!)));
  }
  return { timesteps, sigmas };
}
