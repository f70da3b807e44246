import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { until } from '../../testbed/replica.ts';
import { isReady, type Rig, type RigOptions, rigDataset, waitForReady } from '../../testbed/rig.ts';

/** Fixtures of the tests of training. */

const run = promisify(execFile);

/** The trainer's image: its Python, and what it starts. */
export async function trainerImage(): Promise<NonNullable<RigOptions['image']>> {
  const python = await virtualPython(TRAINER_ENVIRONMENT);
  const { stdout } = await run(python, ['-c', 'import sys; print(sys.base_prefix)']);
  const folders = [dirname(dirname(python)), stdout.trim()].filter((path) => !path.startsWith('/usr'));
  return {
    files: Object.fromEntries(folders.map((path) => [path, path])),
    entrypoint: ['python', '-m', 'cohortfarm_trainer'],
    env: ({ spec }) =>
      spec.containers.some(({ image }) => image.startsWith('cohortfarm-trainer'))
        ? { PATH: `${dirname(python)}:/usr/local/bin:/usr/bin:/bin`, PYTHONPATH: '/app/trainer', OMP_NUM_THREADS: '1' }
        : {},
  };
}

/** Phantoms of other seeds, published to `s3://cohorts/SITE`, which replace real images. */
export async function growSites(rig: Rig, names: readonly string[]): Promise<void> {
  for (const [i, name] of names.entries()) {
    const dataset = await rigDataset(rig, name, ({ spec }) => {
      spec.seed = 100 + i;
      spec.quota.samples = 32;
      spec.workers.replicas = 1;
    });
    await rig.plane.apply(dataset);
  }
  for (const name of names) await waitForReady(rig, name, isReady, 180_000);
}

/** As little training as shows that it works. */
export const SHORT = { steps: 12, validateSteps: 6, loaderWorkers: 0, learningRate: 0.001 };

/** It logs each validation, and stores a checkpoint when it is stopped. */
export const ENDLESS = { ...SHORT, steps: 1_000_000, validateSteps: 20, patience: 10_000, checkpointSeconds: 3600 };

/** Resolves when the log of a running pod whose name begins so says that. */
export function podSays(
  { kubelet }: Pick<Rig, 'kubelet'>,
  prefix: string,
  pattern: RegExp,
  ms: number,
): Promise<boolean> {
  const look = async (): Promise<boolean> => {
    const pod = kubelet.running().find((name) => name.startsWith(prefix));
    return pod !== undefined && pattern.test(await kubelet.logs(pod));
  };
  return until(`${prefix} says ${pattern}`, look, ms);
}
