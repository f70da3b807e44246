import { fileURLToPath } from 'node:url';
import { missingForCuda } from '../diffusion/cuda.ts';

/**
 * Says whether CUDA would run here, but for the driver, which the host of a container brings. Fails and names what is missing
 * otherwise. The build of the CUDA image ends with it:
 *   node images/check-cuda.ts [FOLDER OF libonnxruntime.so.1]
 */

const INSTALLED = '../node_modules/onnxruntime-node/bin/napi-v6/linux/x64';

const folder = process.argv[2] ?? fileURLToPath(new URL(INSTALLED, import.meta.url));
const missing = await missingForCuda(folder);
process.stdout.write(`${missing ?? 'nothing is missing'}\n`);
if (missing !== null && !missing.startsWith('no NVIDIA driver')) process.exitCode = 1;
