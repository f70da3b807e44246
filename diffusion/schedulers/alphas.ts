import { ModelError } from '../errors.ts';
import { isOn, oneOf, type SchedulerConfig } from './config.ts';

const f32 = Math.fround;

/** Steps that the model was trained on; diffusers' default. */
export const trainTimesteps = (config: SchedulerConfig): number => config.num_train_timesteps ?? 1000;

/**
 * Cumulative products of 1 - beta by training timestep, in float32 as diffusers keeps them: 1 - alpha near the clean end
 * loses digits there, and results follow.
 *
 * Source: J. Ho et al., "Denoising Diffusion Probabilistic Models" (2020), section 2; A. Nichol, P. Dhariwal, "Improved
 * DDPM" (2021), formula 17 (cosine); diffusers, __init__ of each scheduler.
 * @throws ModelError for a schedule that is not supported
 */
export function alphasCumprod(config: SchedulerConfig, options: { zeroSnr: boolean }): Float32Array {
  let betas = betasOf(config);
  const rescale = options.zeroSnr && isOn(config.rescale_betas_zero_snr, false);
  if (rescale) betas = withZeroTerminalSnr(betas);
  return cumulate(betas);
}

/** The same for classes that work with sigmas: with zero terminal SNR the last sigma is kept finite, as diffusers does. */
export function alphasForSigmas(config: SchedulerConfig): Float32Array {
  const alphas = alphasCumprod(config, { zeroSnr: true });
  if (isOn(config.rescale_betas_zero_snr, false)) alphas[alphas.length - 1] = 2 ** -24;
  return alphas;
}

/** sqrt((1 - a) / a), float32, by training timestep. */
export function sigmasOf(alphas: Float32Array): Float32Array {
  return alphas.map((alpha) => Math.sqrt(f32(f32(1 - alpha) / alpha)));
}

function betasOf(config: SchedulerConfig): Float32Array {
  const count = trainTimesteps(config);
  if (config.trained_betas) {
    if (config.trained_betas.length !== count) {
      throw new ModelError(
        `scheduler_config.json: trained_betas has ${config.trained_betas.length} values, but num_train_timesteps is ${count}`,
      );
    }
    return Float32Array.from(config.trained_betas);
  }
  const { beta_start: start = 0.0001, beta_end: end = 0.02 } = config;
  switch (oneOf(config, 'beta_schedule', ['linear', 'scaled_linear', 'squaredcos_cap_v2'], 'linear')) {
    case 'linear':
      return linspace32(start, end, count);
    case 'scaled_linear':
      return linspace32(Math.sqrt(start), Math.sqrt(end), count).map((root) => root * root);
    case 'squaredcos_cap_v2':
      return Float32Array.from({ length: count }, (_, i) =>
        Math.min(1 - cosineAlpha((i + 1) / count) / cosineAlpha(i / count), 0.999),
      );
  }
}

const cosineAlpha = (t: number): number => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;

/** torch.linspace in float32: from both ends to the middle, rounded once. */
function linspace32(start: number, end: number, count: number): Float32Array {
  const [first, last] = [f32(start), f32(end)];
  if (count === 1) return Float32Array.of(first);
  const step = f32(f32(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count >> 1 ? first + step * i : last - step * (count - 1 - i),
  );
}

/** torch.cumprod of 1 - betas: products in float64, each result rounded. */
function cumulate(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => {
    product *= f32(1 - beta);
    return product;
  });
}

/** S. Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), algorithm 1. */
function withZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulate(betas).map(Math.sqrt);
  const [first, last] = [roots[0]!, roots.at(-1)!];
  const scale = f32(first / f32(first - last));
  const bars = roots.map((root) => f32(f32(root - last) * scale) ** 2);
  return bars.map((bar, i) => 1 - (i === 0 ? bar : f32(bar / bars[i - 1]!)));
}
