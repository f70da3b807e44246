import { createRequire } from 'node:module';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { missingForCuda } from './cuda.ts';
import { ModelError, ProviderUnavailableError } from './errors.ts';

/** The only importer of onnxruntime-node: sessions, and which execution provider really runs. */

export type ProviderName = 'cuda' | 'cpu';
export type DataType = ort.Tensor.Type;

/** Element data as it lies in memory; float16 as the bit patterns in a Uint16Array. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface Tensor {
  readonly type: DataType;
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** An input or output of a graph. A dimension is a number where the graph fixes it, else its name. */
export interface Port {
  readonly name: string;
  readonly type: DataType;
  readonly shape: readonly (number | string)[];
}

export interface Session {
  readonly file: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** @throws Error that names the graph's file, with ONNX Runtime's as cause */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export interface SessionOptions {
  readonly provider: ProviderName;
  /** Threads within one operator; left out, ONNX Runtime takes all cores. */
  readonly threads?: number;
  /** Gives the memory of a run back at its end, where runs are rare and large; left out, the next run finds it. */
  readonly returnsMemory?: boolean;
}

useBitPatternsForFloat16();

/**
 * onnxruntime-common takes Float16Array for float16 where the global exists, but the native binding reads such an array as
 * empty (1.30.0). It decides once, at the first tensor.
 */
function useBitPatternsForFloat16(): void {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array');
  if (!descriptor) return;
  Reflect.deleteProperty(globalThis, 'Float16Array');
  new ort.Tensor('uint8', [0]);
  Object.defineProperty(globalThis, 'Float16Array', descriptor);
}

/** @throws ModelError that names the file when it is missing, damaged or not runnable */
export const openSession = (file: string, options: SessionOptions): Promise<Session> => openGraph(file, file, options);

/** As `openSession`, of a graph in memory, which errors call by its name. */
export async function openGraph(
  graph: string | Uint8Array,
  file: string,
  { provider, threads, returnsMemory = false }: SessionOptions,
): Promise<Session> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(graph as string, {
      executionProviders: [provider],
      // One graph runs at a time; operators within it run in parallel.
      executionMode: 'sequential',
      enableCpuMemArena: !returnsMemory,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      logSeverityLevel: 3,
    });
  } catch (cause) {
    throw loadFailure(file, provider, reason(cause));
  }
  return {
    file,
    inputs: ports(session.inputMetadata),
    outputs: ports(session.outputMetadata),
    run: (feeds) => runSession(session, file, feeds),
    release: () => session.release(),
  };
}

/** Operators that `model optimize --for cuda` writes and only the CUDA provider has. */
const CUDA_OPERATORS = /\b(NhwcConv|BiasSplitGelu|SkipGroupNorm|GroupNorm|BiasAdd)\b(?!alization)/;

/** A GPU that is too small, or whose driver fails, is a fault of the machine and not of the model. */
export function loadFailure(file: string, provider: ProviderName, why: string): ModelError | ProviderUnavailableError {
  if (provider === 'cuda' && /out of memory|failed to allocate memory|CUDA|CUDNN|CUBLAS/i.test(why)) {
    const fix = 'free its memory, take a GPU with more of it, or repair its driver (docs/cuda.md)';
    return new ProviderUnavailableError(`${file} cannot be loaded into the GPU (${why}); ${fix}`);
  }
  const operator = provider === 'cpu' && CUDA_OPERATORS.exec(why)?.[0];
  if (operator) {
    return new ModelError(
      `${file} is optimised for CUDA (${operator}) and cannot run on the CPU; use a GPU, or the model that it was made from`,
    );
  }
  return new ModelError(
    `${file} cannot be loaded (${why}); check that it was copied whole, with its external data files`,
  );
}

async function runSession(
  session: ort.InferenceSession,
  file: string,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  try {
    const tensors: Record<string, ort.Tensor> = {};
    for (const name in feeds) {
      const { type, data, dims } = feeds[name]!;
      tensors[name] = new ort.Tensor(type as 'float32', data as Float32Array, dims);
    }
    return (await session.run(tensors)) as unknown as Record<string, Tensor>;
  } catch (cause) {
    throw new Error(`${file} failed while running: ${reason(cause)}`, { cause });
  }
}

function ports(metadata: readonly ort.InferenceSession.ValueMetadata[]): Port[] {
  return metadata.flatMap((value) =>
    value.isTensor ? [{ name: value.name, type: value.type, shape: value.shape }] : [],
  );
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

export interface ProviderChoice {
  readonly provider: ProviderName;
  /** For the log, such as "cpu: no NVIDIA driver (libcuda.so.1 not found)". */
  readonly reason: string;
}

/**
 * `auto` takes CUDA when its libraries and a device are there.
 * @throws ProviderUnavailableError for `cuda` without them, naming what is missing
 */
export async function chooseProvider(requested: 'auto' | ProviderName): Promise<ProviderChoice> {
  if (requested === 'cpu') return { provider: 'cpu', reason: 'cpu: as requested' };
  const problem = (await missingForCuda(librariesDir())) ?? (await tryCuda());
  if (problem === null) return { provider: 'cuda', reason: 'cuda: provider libraries, driver and a device are there' };
  if (requested === 'auto') return { provider: 'cpu', reason: `cpu: ${problem}` };
  throw new ProviderUnavailableError(`cuda was requested: ${problem}; see docs/cuda.md`);
}

/** The folder in which onnxruntime-node keeps libonnxruntime.so.1. */
function librariesDir(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(main, '../../bin/napi-v6', process.platform, process.arch);
}

/** An ONNX model of one Identity node, float32 [1] to [1]: opset 13, IR version 8. */
const IDENTITY = Buffer.from(
  '080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a0208014204' +
    '0a00100d',
  'hex',
);

/** Makes a session and runs it. @returns why that failed, null when it works */
async function tryCuda(): Promise<string | null> {
  try {
    const session = await ort.InferenceSession.create(IDENTITY, { executionProviders: ['cuda'], logSeverityLevel: 4 });
    await session.run({ x: new ort.Tensor('float32', [1], [1]) });
    await session.release();
    return null;
  } catch (error) {
    return `no usable CUDA device (${reason(error)})`;
  }
}
