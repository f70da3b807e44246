import { isOn, type SchedulerConfig } from './config.ts';
import type { SchedulerName } from './names.ts';

/**
 * The configuration that StableDiffusionPipeline of diffusers really works with: it takes `steps_offset` other than 1 and
 * `clip_sample` true for outdated and overrides them when it is built (pipeline_stable_diffusion.py, __init__). A switch to
 * another class starts from there.
 * @param name the class that the configuration was written for
 */
export function asPipelineLoads(name: SchedulerName, config: SchedulerConfig): SchedulerConfig {
  const clips = isOn(config.clip_sample, name === 'DDIM');
  return { ...config, steps_offset: 1, ...(clips ? { clip_sample: false } : {}) };
}
