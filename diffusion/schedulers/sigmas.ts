import { isOn, refuse, refuseSwitches, type SchedulerConfig } from './config.ts';
import { linspace } from './timesteps.ts';

/** Noise levels between those of the training timesteps. */

/** numpy.interp over the indices of a table. */
export function interpolate(table: Float32Array, at: number): number {
  const low = Math.min(Math.max(Math.floor(at), 0), table.length - 1);
  if (low === table.length - 1) return table[low]!;
  return table[low]! + (table[low + 1]! - table[low]!) * (at - low);
}

export type Ramp = 'karras' | 'exponential' | 'lu';

/**
 * Whether noise levels follow a ramp instead of the timesteps.
 * @throws ModelError for ramps that are not supported
 */
export function rampOf(config: SchedulerConfig, allowed: readonly Ramp[]): Ramp | null {
  refuseSwitches(config, ['use_beta_sigmas']);
  const wanted: Record<Ramp, boolean> = {
    karras: isOn(config.use_karras_sigmas, false),
    lu: allowed.includes('lu') && isOn(config.use_lu_lambdas, false),
    exponential: isOn(config.use_exponential_sigmas, false),
  };
  if (wanted.karras && wanted.exponential) refuse('use_exponential_sigmas', true, 'either it or use_karras_sigmas');
  return (['karras', 'lu', 'exponential'] as const).find((ramp) => wanted[ramp]) ?? null;
}

/**
 * `count` noise levels from high to low. Sources: T. Karras et al., "Elucidating the Design Space of Diffusion-Based
 * Generative Models" (2022), formula 5 with rho 7; k-diffusion, get_sigmas_exponential; C. Lu et al., "DPM-Solver" (2022),
 * uniform in log-SNR; diffusers, _convert_to_karras, _convert_to_exponential, _convert_to_lu.
 */
export function rampSigmas(
  ramp: Ramp,
  config: SchedulerConfig,
  range: { high: number; low: number },
  count: number,
): number[] {
  if (ramp === 'lu') {
    const [high, low] = [Math.fround(Math.log(range.high)), Math.fround(Math.log(range.low))];
    return linspace(0, 1, count).map((at) => Math.exp(high + at * (low - high)));
  }
  const high = config.sigma_max ?? range.high;
  const low = config.sigma_min ?? range.low;
  if (ramp === 'exponential') return linspace(Math.log(high), Math.log(low), count).map(Math.exp);
  const rho = 7;
  const [from, to] = [high ** (1 / rho), low ** (1 / rho)];
  return linspace(0, 1, count).map((at) => (from + at * (to - from)) ** rho);
}

/**
 * The (fractional) training timestep of a noise level, linear in its logarithm. Those of the table are rounded to float32,
 * since a result cut to a whole number can hang on that. Source: diffusers, _sigma_to_t.
 */
export function timestepOfSigma(sigma: number, table: Float32Array): number {
  const wanted = Math.log(Math.max(sigma, 1e-10));
  const logs = table.map(Math.log);
  const low = Math.max(
    0,
    logs.subarray(0, -1).findLastIndex((log) => log <= wanted),
  );
  const [from, to] = [logs[low]!, logs[low + 1]!];
  const share = Math.min(Math.max((from - wanted) / Math.fround(from - to), 0), 1);
  return (1 - share) * low + share * (low + 1);
}

/** A variance-preserving noise level: alpha^2 + sigma^2 = 1, and lambda = ln(alpha / sigma), infinite without noise. */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
  readonly lambda: number;
}

/** @param sigma noise over signal */
export function levelOf(sigma: number): Level {
  const alpha = 1 / Math.sqrt(sigma * sigma + 1);
  return { alpha, sigma: sigma * alpha, lambda: -Math.log(sigma) };
}

/** The noise level after the last step. Source: diffusers, final_sigmas_type. */
export function finalSigma(config: SchedulerConfig, smallest: number): number {
  const { final_sigmas_type: type = 'zero' } = config;
  if (type === 'zero') return 0;
  if (type === 'sigma_min') return smallest;
  return refuse('final_sigmas_type', type, '"zero", "sigma_min"');
}
