import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../contract/failure.ts';
import { classOfScheduler } from '../../diffusion/schedulers/index.ts';
import { exporterPython, runExporter } from './exporter.ts';

/** The latents and images of diffusers for the same prompts and seeds, from the folder that a model was exported from. */

export interface Golden {
  /** [rows, channels, height, width]. */
  readonly latents: Float32Array;
  /** Grey levels of every image, interleaved. */
  readonly images: Uint8Array;
}

export interface GoldenSampling {
  /** Absent for the one of the folder. */
  readonly scheduler?: string | undefined;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly guidanceInterval?: { readonly start: number; readonly stop: number } | undefined;
  readonly negativePrompt: string;
  readonly height: number;
  readonly width: number;
}

/** @throws Failure when diffusers cannot sample the source; the reason was printed */
export async function goldenOf(
  source: string,
  wanted: readonly { readonly prompt: string; readonly seed: number }[],
  sampling: GoldenSampling,
  python: string | undefined,
): Promise<Golden> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-golden-'));
  try {
    const request = join(folder, 'request.json');
    const { scheduler, ...rest } = sampling;
    const schedulerClass = scheduler === undefined ? undefined : classOfScheduler(scheduler);
    const prompts = wanted.map(({ prompt }) => prompt);
    const seeds = wanted.map(({ seed }) => seed);
    await writeFile(request, JSON.stringify({ prompts, seeds, schedulerClass, ...rest }));
    const code = await runExporter(await exporterPython(python), [
      'golden',
      source,
      '--request',
      request,
      '--output',
      folder,
    ]);
    if (code !== 0) throw new Failure('ModelInvalid', `--source: diffusers cannot sample ${source}; see above`);
    const latents = await readFile(join(folder, 'latents.f32'));
    return {
      latents: new Float32Array(latents.buffer, latents.byteOffset, latents.length / 4),
      images: await readFile(join(folder, 'images.u8')),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
