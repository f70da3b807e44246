import { Failure } from '../../contract/failure.ts';
import type { Sampler } from '../../diffusion/pipeline.ts';
import { areZero } from '../../platform/half.ts';
import type { LoadedEncoder } from '../encoder/encoder.ts';
import type { LoadedGate } from '../gate/gate.ts';
import type { ImageRequest, StartMessage } from './messages.ts';

/**
 * One batch through everything, before anything is claimed: what does not fit, has no kernel or gives no numbers is found
 * here, and not after hours.
 */

export interface ToTry {
  readonly sampler: Pick<Sampler, 'trial'>;
  readonly gates: readonly LoadedGate[];
  readonly encoder: LoadedEncoder | null;
  readonly toLoad: Pick<StartMessage, 'batchSize' | 'gates'> & Partial<Pick<StartMessage, 'encoder'>>;
}

/** @throws Failure that names the batch size that fits, or what is wrong with a graph */
export async function tryBatch(parts: ToTry): Promise<void> {
  const { batchSize } = parts.toLoad;
  const problem = await problemOf(parts, batchSize);
  if (problem === null) return;
  if (!isOutOfMemory(problem)) throw asFailure(problem);
  let fits = batchSize;
  while (fits > 0 && (await problemOf(parts, fits)) !== null) fits = Math.floor(fits / 2);
  throw new Failure('BatchTooLarge', `${messageOf(problem)}: ${adviceFor(batchSize, fits)}`, { cause: problem });
}

/** @param fits images that fit, 0 for none */
function adviceFor(batchSize: number, fits: number): string {
  if (fits === batchSize) return `a batch of ${batchSize} images fits only just; set spec.workers.batchSize below it`;
  if (fits > 0) return `a batch of ${batchSize} images does not fit, ${fits} do; set spec.workers.batchSize: ${fits}`;
  return 'not even one image fits; take a device with more memory, or a model optimised for it (docs/models.md)';
}

async function problemOf({ sampler, gates, encoder, toLoad }: ToTry, batchSize: number): Promise<Error | null> {
  try {
    const images = await sampler.trial(batchSize);
    const features = encoder && (await encoder.encode(images));
    if (encoder && features!.some(areZero))
      throw new Failure(
        'ModelInvalid',
        `encoder ${encoder.name}: ${toLoad.encoder}/model.onnx gives numbers that are not finite in float16, or zeros alone; export it with normalised outputs`,
      );
    for (const [i, gate] of gates.entries()) {
      const samples = images.map(() => requestFor(toLoad.gates[i]!));
      const verdicts = await gate.judge(images, samples, features ?? undefined);
      if (verdicts.some((verdict) => verdict && !Number.isFinite(verdict.score))) {
        throw new Failure(
          'ModelInvalid',
          `gate ${gate.name}: ${sourceOf(toLoad.gates[i]!)} gives scores that are not numbers (NaN); export it again`,
        );
      }
    }
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** The expectation that an image must meet for a gate to judge it. */
function requestFor(toLoad: StartMessage['gates'][number]): Pick<ImageRequest, 'axes' | 'exact'> {
  if ('reference' in toLoad) return { axes: {}, exact: {} };
  const { gate, values } = toLoad;
  return { axes: { [gate.axis]: gate.appliesTo?.[0] ?? values[0] ?? '' }, exact: { [gate.axis]: 0 } };
}

/** The file that gives a gate's scores. */
const sourceOf = (toLoad: StartMessage['gates'][number]): string =>
  'reference' in toLoad ? `${toLoad.reference}/features.npy` : `${toLoad.dir}/model.onnx`;

const isOutOfMemory = (error: Error): boolean =>
  /out of memory|failed to allocate|bad_alloc|ALLOC_FAILED/i.test(error.message);

const messageOf = (error: Error): string => error.message.split('\n')[0]!;

/** A graph that fails at its first batch would fail at any; a GPU that does so may be at fault itself. */
function asFailure(error: Error): Failure {
  if (error instanceof Failure) return error;
  const isDevice = /CUDA|CUDNN|CUBLAS/.test(error.message);
  return isDevice
    ? new Failure('ProviderUnavailable', `${messageOf(error)}; repair the GPU or its driver (docs/cuda.md)`, {
        cause: error,
      })
    : new Failure('ModelInvalid', `${messageOf(error)}; check the model with \`cohortfarm model check\``, {
        cause: error,
      });
}
