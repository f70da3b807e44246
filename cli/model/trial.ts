import { chooseProvider, type ProviderName } from '../../diffusion/onnx.ts';
import { createSampler, type DiffusionModel, loadModel, type Sampling, type Wanted } from '../../diffusion/pipeline.ts';
import { isDegenerate, type RawImage } from '../../platform/image/image.ts';
import { loadEncoder } from '../../worker/encoder/encoder.ts';
import { loadGates } from '../../worker/engine/load.ts';
import type { ImageRequest, StartMessage } from '../../worker/engine/messages.ts';
import type { LoadedGate } from '../../worker/gate/gate.ts';

/** One trial batch of a model: whether it can be sampled here, and what that takes. */

export interface TrialRequest extends Pick<StartMessage, 'model' | 'sampling' | 'provider' | 'gates' | 'encoder'> {
  readonly images: readonly ImageRequest[];
}

export interface Trial extends Sampled {
  /** The provider that it ran on, and why that one. */
  readonly provider: string;
  /** Whether the UNet calculates in float16. */
  readonly isHalf: boolean;
  readonly loadSeconds: number;
  /** Bytes of the process; memory of a GPU is not in it. */
  readonly peakMemory: number;
  readonly gates: readonly GateResult[];
}

/** Loads what a worker would load, and samples one batch. @throws Failure, ModelError for latents that are not numbers included */
export async function tryModel({
  model: dir,
  sampling,
  provider: wanted,
  gates,
  encoder: encoderDir,
  images,
}: TrialRequest): Promise<Trial> {
  const { provider, reason } = await chooseProvider(wanted);
  const start = performance.now();
  const model = await loadModel(dir, { provider });
  const encoder = encoderDir === null ? null : await loadEncoder(encoderDir, { provider });
  const loaded = await loadGates(gates, { provider });
  const loadSeconds = (performance.now() - start) / 1000;
  const sampled = await sampleOnce({ model, provider, sampling, wanted: images });
  return {
    ...sampled,
    provider: reason,
    isHalf: model.unet.ports.sample.type === 'float16',
    loadSeconds,
    gates: await runGates(loaded, sampled.images, images, encoder && (await encoder.encode(sampled.images))),
    peakMemory: process.resourceUsage().maxRSS * 1024,
  };
}

export interface Sampled {
  readonly images: readonly RawImage[];
  /** After the last step. */
  readonly latents: Float32Array;
  /** Median of all steps but the first, which also prepares memory and kernels. */
  readonly secondsPerStep: number;
  readonly secondsPerBatch: number;
  /** Images that show nothing. */
  readonly black: number;
}

interface ToSample {
  readonly model: DiffusionModel;
  readonly provider: ProviderName;
  readonly sampling: Sampling;
  readonly wanted: readonly Wanted[];
}

export async function sampleOnce({ model, provider, sampling, wanted }: ToSample): Promise<Sampled> {
  const times: number[] = [];
  let latents = new Float32Array();
  const sampler = createSampler(model, sampling, {
    ...(provider === 'cuda' && { padTo: wanted.length }),
    onStep(values) {
      times.push(performance.now());
      latents = values.slice();
    },
  });
  const start = performance.now();
  const images = await sampler.sample(wanted);
  const end = performance.now();
  return {
    images,
    latents,
    secondsPerStep: median([start, ...times]) / 1000,
    secondsPerBatch: (end - start) / 1000,
    black: images.filter(({ data }) => isDegenerate(data)).length,
  };
}

/** The median pause between moments, without the first pause where there are others. */
function median(moments: readonly number[]): number {
  const pauses = moments.slice(1).map((moment, i) => moment - moments[i]!);
  const steady = (pauses.length > 1 ? pauses.slice(1) : pauses).sort((a, b) => a - b);
  return steady[Math.floor(steady.length / 2)]!;
}

export interface GateResult {
  readonly name: string;
  /** One for each image that it judged. */
  readonly scores: readonly number[];
  readonly passed: number;
}

/** The verdicts of each gate on the images. */
export async function runGates(
  gates: readonly LoadedGate[],
  images: readonly RawImage[],
  requests: readonly ImageRequest[],
  features: readonly Uint16Array[] | null = null,
): Promise<GateResult[]> {
  const results: GateResult[] = [];
  for (const gate of gates) {
    const verdicts = (await gate.judge(images, requests, features ?? undefined)).filter((verdict) => verdict !== null);
    const scores = verdicts.map(({ score }) => score);
    results.push({ name: gate.name, scores, passed: verdicts.filter(({ passed }) => passed).length });
  }
  return results;
}
