import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Finds what ONNX Runtime lacks on this machine to use CUDA. It gives the reason of a failure only in its own log, so
 * the libraries are looked at beforehand. Which go where: docs/cuda.md.
 */

const PROVIDER_LIBRARIES = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
const DRIVER = 'libcuda.so.1';
/**
 * Libraries that the provider of ONNX Runtime 1.30 loads only when a graph needs them. Without cuDNN it continues with other kernels
 * and give other images; cuDNN compiles some of its own kernels with NVRTC.
 */
const LOADED_LATE = ['libcudnn.so.9', 'libnvrtc.so.13'];

export interface Surroundings {
  readonly platform: string;
  readonly arch: string;
  /** Whether there is such a file. */
  hasFile(file: string): Promise<boolean>;
  /** Sonames that the loader does not find for a library. */
  unresolved(file: string): Promise<string[]>;
  /** Whether the loader finds a library by its soname. */
  canLoad(soname: string): boolean;
}

/**
 * @param libraries the folder of libonnxruntime.so.1
 * @returns what is missing, as part of a sentence; null when everything is found
 */
export async function missingForCuda(libraries: string, around: Surroundings = thisMachine): Promise<string | null> {
  if (around.platform !== 'linux' || around.arch !== 'x64') {
    return `the CUDA provider is made for linux x64, this is ${around.platform} ${around.arch}`;
  }
  for (const name of PROVIDER_LIBRARIES) {
    if (!(await around.hasFile(join(libraries, name)))) return `no CUDA provider library (${name} not in ${libraries})`;
  }
  const unresolved = await around.unresolved(join(libraries, 'libonnxruntime_providers_cuda.so'));
  const late = LOADED_LATE.filter((name) => !around.canLoad(name));
  const toolkit = [...unresolved.filter((name) => name !== DRIVER), ...late];
  if (toolkit.length > 0)
    return `no CUDA libraries (${toolkit.join(', ')} not found; add their folders to LD_LIBRARY_PATH)`;
  return around.canLoad(DRIVER) ? null : `no NVIDIA driver (${DRIVER} not found)`;
}

const thisMachine: Surroundings = {
  platform: process.platform,
  arch: process.arch,
  hasFile: async (file) => (await stat(file).catch(() => null))?.isFile() ?? false,
  async unresolved(file) {
    // Without ldd (a very small image) the trial session decides alone.
    const { stdout } = await promisify(execFile)('ldd', [file]).catch(() => ({ stdout: '' }));
    return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!);
  },
  canLoad(soname) {
    try {
      process.dlopen({ exports: {} }, soname);
      return true;
    } catch (error) {
      // A library that loads but is not a Node addon fails later, with another message.
      return !String(error).includes('cannot open shared object file');
    }
  },
};
