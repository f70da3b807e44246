import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ModelIdentity } from '../contract/plan/plan.ts';
import { TerminalError } from './errors.ts';

/** What a model folder says about its own use, read from its configurations without loading a graph. */

const scheduler = z.looseObject({ _class_name: z.string() });
const unet = z.looseObject({
  sample_size: z.union([z.int().positive(), z.tuple([z.int().positive(), z.int().positive()])]).nullish(),
});
const vae = z.looseObject({ block_out_channels: z.array(z.int().positive()).min(1) });

/** Pixels on a side where a model does not say: the size of Stable Diffusion 1 and 2-base. */
const USUAL_SIZE = 512;

/** Our names for the scheduler classes of diffusers. */
const SCHEDULER_OF_CLASS: Readonly<Record<string, string>> = {
  PNDMScheduler: 'PNDM',
  DDIMScheduler: 'DDIM',
  EulerDiscreteScheduler: 'Euler',
  DPMSolverMultistepScheduler: 'DPMSolver++',
  UniPCMultistepScheduler: 'UniPC',
};

/** @throws TerminalError that names the file at fault */
export async function readModelDefaults(dir: string): Promise<ModelIdentity['defaults']> {
  const { _class_name: className } = await readConfig(dir, 'scheduler/scheduler_config.json', scheduler);
  const name = SCHEDULER_OF_CLASS[className];
  if (name === undefined) {
    const known = Object.keys(SCHEDULER_OF_CLASS).join(', ');
    throw new TerminalError(
      `${join(dir, 'scheduler/scheduler_config.json')}: ${className} is not supported; use one of ${known}`,
    );
  }
  const { sample_size: size } = await readConfig(dir, 'unet/config.json', unet);
  const { block_out_channels: blocks } = await readConfig(dir, 'vae_decoder/config.json', vae);
  const scale = 2 ** (blocks.length - 1);
  const [height, width] = Array.isArray(size) ? size : [size ?? USUAL_SIZE / scale, size ?? USUAL_SIZE / scale];
  return { scheduler: name, height: height * scale, width: width * scale };
}

async function readConfig<T>(dir: string, path: string, schema: z.ZodType<T>): Promise<T> {
  const file = join(dir, path);
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new TerminalError(
      `${file} is missing; a model folder has the diffusers layout exported to ONNX (optimum-cli export onnx)`,
      { cause },
    );
  });
  try {
    // diffusers writes -Infinity and NaN into scheduler configurations, which JSON does not have.
    return schema.parse(JSON.parse(text.replace(/:\s*(-?Infinity|NaN)/g, ': null')));
  } catch (cause) {
    throw new TerminalError(
      `${file} is not a valid configuration: ${cause instanceof z.ZodError ? cause.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ') : 'no JSON'}`,
      { cause },
    );
  }
}
