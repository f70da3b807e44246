import { trainTimesteps } from './alphas.ts';
import type { SchedulerConfig } from './config.ts';
import { planDdim } from './ddim.ts';
import { planDpmSolver } from './dpm-solver.ts';
import { planEuler } from './euler.ts';
import type { SchedulerName } from './names.ts';
import { planPndm } from './pndm.ts';
import { checkSchedule, type Schedule } from './schedule.ts';
import { checkSteps } from './timesteps.ts';
import { planUniPc } from './unipc.ts';

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
