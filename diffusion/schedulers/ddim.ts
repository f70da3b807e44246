import { alphasCumprod, trainTimesteps } from './alphas.ts';
import { isOn, predictionOf, refuseSwitches, type SchedulerConfig, spacingOf } from './config.ts';
import type { Schedule, Step } from './schedule.ts';
import { checkTimesteps, roundHalfEven, spaceTimesteps } from './timesteps.ts';

/**
 * Denoising diffusion implicit models without added noise (eta 0). Source: J. Song et al., "Denoising Diffusion Implicit
 * Models" (2021), formula 12; diffusers, DDIMScheduler. The clean sample is clipped where the config says so; the direction
 * back to the noise is taken from the model output as it was.
 */
export function planDdim(config: SchedulerConfig, steps: number): Schedule {
  refuseSwitches(config, ['thresholding']);
  const train = trainTimesteps(config);
  const spaced = { spacing: spacingOf(config, 'leading'), steps, train, offset: config.steps_offset ?? 0 };
  const timesteps = spaceTimesteps(spaced).map(roundHalfEven);
  checkTimesteps(timesteps, train);
  const alphas = alphasCumprod(config, { zeroSnr: true });
  const last = isOn(config.set_alpha_to_one, true) ? 1 : alphas[0]!;
  const stride = Math.floor(train / steps);
  const limit = isOn(config.clip_sample, true) ? { limit: config.clip_sample_range ?? 1 } : {};
  const calls = timesteps.map((timestep): Step => {
    const before = timestep - stride;
    const { clean, noise } = readOutput(config, alphas[timestep]!);
    const then = before >= 0 ? alphas[before]! : last;
    const [signalLeft, noiseLeft] = [Math.sqrt(then), Math.sqrt(1 - then)];
    return {
      timestep,
      inputScale: 1,
      estimate: { ...clean, ...limit },
      next: { estimates: [signalLeft], sample: noiseLeft * noise.sample, output: noiseLeft * noise.output },
      keep: [],
    };
  });
  return { steps: calls, initNoiseSigma: 1 };
}

interface Mix {
  readonly sample: number;
  readonly output: number;
}

/** The clean sample and the noise as weights of sample and model output, where the cumulative alpha is `alpha`. */
function readOutput(config: SchedulerConfig, alpha: number): { clean: Mix; noise: Mix } {
  const [signal, noise] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  switch (predictionOf(config)) {
    case 'epsilon':
      return { clean: { sample: 1 / signal, output: -noise / signal }, noise: { sample: 0, output: 1 } };
    case 'sample':
      return { clean: { sample: 0, output: 1 }, noise: { sample: 1 / noise, output: -signal / noise } };
    case 'v_prediction':
      return { clean: { sample: signal, output: -noise }, noise: { sample: noise, output: signal } };
  }
}
