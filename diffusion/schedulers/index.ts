import { SCHEDULERS } from '../../contract/schema/spec.ts';
import { trainTimesteps } from './alphas.ts';
import { isOn, type SchedulerConfig } from './config.ts';
import { planDdim } from './ddim.ts';
import { planDpmSolver } from './dpm-solver.ts';
import { planEuler } from './euler.ts';
import { planPndm } from './pndm.ts';
import { checkSchedule, type Schedule } from './schedule.ts';
import { checkSteps } from './timesteps.ts';
import { planUniPc } from './unipc.ts';

/** The samplers that a spec can name: the diffusers class behind each, and what plans its steps. */

export type SchedulerName = (typeof SCHEDULERS)[number];

const CLASS_OF: Readonly<Record<SchedulerName, string>> = {
  PNDM: 'PNDMScheduler',
  DDIM: 'DDIMScheduler',
  Euler: 'EulerDiscreteScheduler',
  'DPMSolver++': 'DPMSolverMultistepScheduler',
  UniPC: 'UniPCMultistepScheduler',
};

/** Our name for a diffusers class; undefined for a class that is not supported. */
export function schedulerOfClass(className: string): SchedulerName | undefined {
  return SCHEDULERS.find((name) => CLASS_OF[name] === className);
}

/** The diffusers class of a scheduler; undefined for a name that is not one of ours. */
export const classOfScheduler = (name: string): string | undefined =>
  Object.entries(CLASS_OF).find(([known]) => known === name)?.[1];

export const supportedClasses = (): string => Object.values(CLASS_OF).join(', ');

const PLANNERS: Readonly<Record<SchedulerName, (config: SchedulerConfig, steps: number) => Schedule>> = {
  PNDM: planPndm,
  DDIM: planDdim,
  Euler: planEuler,
  'DPMSolver++': planDpmSolver,
  UniPC: planUniPc,
};

/**
 * The schedule of a run. The config may be another class's: what it lacks takes the default of the class planned for, as
 * with diffusers' `from_config`.
 * @throws ModelError naming a setting that is not supported, or a number of steps that cannot be
 */
export function plan(name: SchedulerName, config: SchedulerConfig, steps: number): Schedule {
  checkSteps(steps, trainTimesteps(config));
  return checkSchedule(PLANNERS[name](config, steps));
}

/**
 * The configuration that StableDiffusionPipeline of diffusers really works with: it takes `steps_offset` other than 1 and
 * `clip_sample` true for outdated and overrides them when it is built (pipeline_stable_diffusion.py, __init__). A switch to
 * another class (`from_config`) starts from there, except that what the file does not state takes that class's own default.
 * @param own the class that the configuration was written for
 * @param used the class that is to work with it
 */
export function pipelineConfig(config: SchedulerConfig, own: SchedulerName, used: SchedulerName): SchedulerConfig {
  const stated = (field: keyof SchedulerConfig): boolean => config[field] !== undefined || own === used;
  const clips = isOn(config.clip_sample, own === 'DDIM');
  return {
    ...config,
    ...(stated('steps_offset') ? { steps_offset: 1 } : {}),
    ...(stated('clip_sample') && clips ? { clip_sample: false } : {}),
  };
}
