import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { describeError } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import { installedProgram } from '../../platform/files.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { NODE_NEEDED } from '../../platform/version.ts';
import { pythonProblem } from '../train/venv.ts';
import { type Finding, isOlder, versionOf } from './finding.ts';

const run = promisify(execFile);

/** Checks of this machine: Node, ONNX Runtime, a GPU and its driver, Python, and a bucket that it reaches. */

export function checkNode(): Finding {
  const found = process.versions.node;
  const old = isOlder(versionOf(found)!, versionOf(NODE_NEEDED)!);
  const message = old
    ? `${found}, but ${NODE_NEEDED} is needed: install a newer one`
    : `${found} (${process.execPath})`;
  return { name: 'Node', state: old ? 'fix' : 'ok', message };
}

export async function checkPython(): Promise<Finding> {
  const problem = await pythonProblem();
  if (problem === null) return { name: 'Python', state: 'ok', message: 'python3 with venv, for cohortfarm train' };
  return { name: 'Python', state: 'absent', message: `cohortfarm train needs ${problem}` };
}

/** CUDA 13, for which the provider is built, needs a driver of this line (docs/cuda.md). */
const DRIVER: readonly [number, number] = [580, 0];

const QUERY = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];

/** @param listed what `nvidia-smi` prints for QUERY; null without it */
export function judgeGpus(listed: string | null): Finding {
  const rows = (listed ?? '')
    .trim()
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => row.split(/,\s*/));
  if (rows.length === 0) return { name: 'GPU', state: 'absent', message: 'no NVIDIA GPU here; the CPU samples' };
  const gpus = rows.map(([gpu, , memory]) => `${gpu} (${memory})`).join(', ');
  const driver = rows[0]![1] ?? '';
  const version = versionOf(driver);
  if (version && !isOlder(version, DRIVER)) return { name: 'GPU', state: 'ok', message: `${gpus}, driver ${driver}` };
  return {
    name: 'GPU',
    state: 'fix',
    message: `${gpus}: its driver is ${driver || 'unknown'}; CUDA 13 needs ${DRIVER[0]} or newer`,
  };
}

interface Sampling {
  /** Null where ONNX Runtime cannot be loaded. */
  readonly provider: string | null;
  readonly reason: string;
}

/** Asks in a process of its own: a library that cannot be loaded may take its process with it. */
const askRuntime = (): Promise<Sampling> =>
  run(process.execPath, [installedProgram('cli/doctor/sampling-program.ts')]).then(
    ({ stdout }) => JSON.parse(stdout) as Sampling,
    ({ stderr }: { stderr?: string }) => ({
      provider: null,
      reason: `ONNX Runtime cannot be loaded: ${(stderr ?? '').trim().split('\n').at(-1) ?? ''}`,
    }),
  );

/** The GPUs, and what ONNX Runtime would sample with. */
export async function checkSampling(): Promise<Finding[]> {
  const listed = await run('nvidia-smi', QUERY).then(
    ({ stdout }) => stdout,
    () => null,
  );
  const gpu = judgeGpus(listed);
  const sampling = await askRuntime();
  const idle = gpu.state !== 'absent' && sampling.provider === 'cpu';
  const fix = sampling.provider === null ? 'install again on a supported system' : 'see docs/cuda.md';
  const bad = idle || sampling.provider === null;
  return [
    gpu,
    { name: 'Sampling', state: bad ? 'fix' : 'ok', message: bad ? `${sampling.reason}; ${fix}` : sampling.reason },
  ];
}

/** Writes an object twice where the second write must be refused, and removes it again. */
export async function checkStore(store: ObjectStore | null): Promise<Finding> {
  const name = 'Bucket';
  if (store === null) return { name, state: 'absent', message: 'none was named: cohortfarm doctor s3://bucket/prefix' };
  try {
    await store.assertConditional(objects.probe(randomUUID()));
    return { name, state: 'ok', message: `${store.uri} can be written, and refuses to overwrite` };
  } catch (error) {
    return { name, state: 'fix', message: describeError(error) };
  }
}
