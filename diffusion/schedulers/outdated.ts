import { isOn, type SchedulerConfig } from './config.ts';
import type { SchedulerName } from './names.ts';

/**
 * The configuration that StableDiffusionPipeline of diffusers really works with: it takes `steps_offset` other than 1 and
 * `clip_sample` true for outdated and overrides them when it is built (pipeline_stable_diffusion.py, __init__). A switch to
 * another class (`from_config`) starts from there, except that what the file does not state takes that class's own default.
 * @param own the class that the configuration was written for
 * @param used the class that is to work with it
 */
export function asPipelineLoads(config: SchedulerConfig, own: SchedulerName, used: SchedulerName): SchedulerConfig {
  const stated = (field: keyof SchedulerConfig): boolean => config[field] !== undefined || own === used;
  const clips = isOn(config.clip_sample, own === 'DDIM');
  return {
    ...config,
    ...(stated('steps_offset') ? { steps_offset: 1 } : {}),
    ...(stated('clip_sample') && clips ? { clip_sample: false } : {}),
  };
}
