import { join } from 'node:path';
import { z } from 'zod';
import type { ModelIdentity } from '../contract/plan/plan.ts';
import { ModelError } from './errors.ts';
import { readJson, requireFiles } from './files.ts';
import { schedulerOfClass, supportedClasses } from './schedulers/index.ts';

/** Defaults of a model folder, read from its configuration files without loading a graph. */

const scheduler = z.looseObject({ _class_name: z.string() });
const unet = z.looseObject({
  sample_size: z.union([z.int().positive(), z.tuple([z.int().positive(), z.int().positive()])]).nullish(),
});
const vae = z.looseObject({ block_out_channels: z.array(z.int().positive()).min(1) });

const CONFIGS = ['scheduler/scheduler_config.json', 'unet/config.json', 'vae_decoder/config.json'];

/** Pixels on a side where a model does not say: the size of Stable Diffusion 1 and 2-base. */
const USUAL_SIZE = 512;

/** @throws ModelError that names the file at fault */
export async function readModelDefaults(dir: string): Promise<ModelIdentity['defaults']> {
  await requireFiles(dir, CONFIGS);
  const { _class_name: className } = await readJson(dir, 'scheduler/scheduler_config.json', scheduler);
  const name = schedulerOfClass(className);
  if (name === undefined) {
    throw new ModelError(
      `${join(dir, 'scheduler/scheduler_config.json')}: ${className} is not supported; use one of ${supportedClasses()}`,
    );
  }
  const { sample_size: size } = await readJson(dir, 'unet/config.json', unet);
  const { block_out_channels: blocks } = await readJson(dir, 'vae_decoder/config.json', vae);
  const scale = 2 ** (blocks.length - 1);
  const [height, width] = Array.isArray(size) ? size : [size ?? USUAL_SIZE / scale, size ?? USUAL_SIZE / scale];
  return { scheduler: name, height: height * scale, width: width * scale };
}
