import { z } from 'zod';
import { ModelError } from '../errors.ts';

/** scheduler_config.json, as diffusers writes it. Fields that the chosen class does not know are ignored, as there. */

const flag = z.boolean().nullish();
const number = z.number().nullish();

export const schedulerConfigSchema = z.looseObject({
  _class_name: z.string().optional(),
  num_train_timesteps: z.int().min(1).max(1_000_000).optional(),
  beta_start: z.number().optional(),
  beta_end: z.number().optional(),
  beta_schedule: z.string().optional(),
  trained_betas: z.array(z.number()).max(1_000_000).nullish(),
  prediction_type: z.string().optional(),
  timestep_spacing: z.string().optional(),
  timestep_type: z.string().optional(),
  steps_offset: z.int().optional(),
  rescale_betas_zero_snr: flag,
  set_alpha_to_one: flag,
  skip_prk_steps: flag,
  clip_sample: flag,
  clip_sample_range: z.number().optional(),
  thresholding: flag,
  interpolation_type: z.string().optional(),
  use_karras_sigmas: flag,
  use_exponential_sigmas: flag,
  use_beta_sigmas: flag,
  use_lu_lambdas: flag,
  use_flow_sigmas: flag,
  use_dynamic_shifting: flag,
  shift_terminal: z.unknown().optional(),
  sigma_min: number,
  sigma_max: number,
  final_sigmas_type: z.string().optional(),
  solver_order: z.int().min(1).max(9).optional(),
  solver_type: z.string().optional(),
  algorithm_type: z.string().optional(),
  lower_order_final: flag,
  euler_at_final: flag,
  lambda_min_clipped: z.union([z.number(), z.literal(-Infinity)]).nullish(),
  variance_type: z.string().nullish(),
  predict_x0: flag,
  disable_corrector: z.array(z.int()).nullish(),
  solver_p: z.unknown().optional(),
});

export type SchedulerConfig = z.infer<typeof schedulerConfigSchema>;

/** A setting that is on or off; Python's None counts as off, a missing one takes the class's default. */
export function isOn(value: boolean | null | undefined, otherwise: boolean): boolean {
  return value === undefined ? otherwise : value === true;
}

/** @throws ModelError naming field, value and what is supported */
export function refuse(field: string, value: unknown, supported: string): never {
  throw new ModelError(`scheduler_config.json: ${field} ${JSON.stringify(value)} is not supported; use ${supported}`);
}

/** Settings that change results and that no scheduler here implements. */
export function refuseSwitches(config: SchedulerConfig, fields: readonly (keyof SchedulerConfig)[]): void {
  for (const field of fields) {
    const value = config[field];
    if (value !== undefined && value !== null && value !== false) refuse(field as string, value, 'a model without it');
  }
}

/** One of a few allowed words. */
export function oneOf<const T extends string>(
  config: SchedulerConfig,
  field: keyof SchedulerConfig,
  allowed: readonly T[],
  otherwise: T,
): T {
  const value = config[field] ?? otherwise;
  const found = allowed.find((word) => word === value);
  return found ?? refuse(field as string, value, allowed.map((word) => `"${word}"`).join(', '));
}

export type Prediction = 'epsilon' | 'v_prediction' | 'sample';
export type Spacing = 'leading' | 'linspace' | 'trailing';

export const predictionOf = (config: SchedulerConfig): Prediction =>
  oneOf(config, 'prediction_type', ['epsilon', 'v_prediction', 'sample'], 'epsilon');

export const spacingOf = (config: SchedulerConfig, otherwise: Spacing): Spacing =>
  oneOf(config, 'timestep_spacing', ['leading', 'linspace', 'trailing'], otherwise);
