import { SCHEDULERS } from '../../contract/schema/spec.ts';

/** The samplers that a spec can name, and the diffusers class behind each. */

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

export const supportedClasses = (): string => Object.values(CLASS_OF).join(', ');
