import type { Kube, KubeObject } from '../../kube/types.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { datasetNamed, kubeOf, plainJob, watchJobs } from './objects.ts';

/**
 * What the operator adds: from the apply of a SyntheticDataset to its workers' Job being there, beside a plain apply of that
 * Job. Both are seen by one watch of Jobs.
 */

export interface Overhead {
  /** Milliseconds, one for each round. */
  readonly dataset: readonly number[];
  readonly job: readonly number[];
}

export async function measureOverhead(plane: ControlPlane, rounds: number): Promise<Overhead> {
  const kube = kubeOf(plane);
  const jobs = await watchJobs(plane);
  const [dataset, job]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < rounds; round++) {
      dataset.push(await timeOf(kube, jobs, datasetNamed(`overhead-${round}`), `overhead-${round}-workers-1`));
      job.push(await timeOf(kube, jobs, plainJob(`plain-${round}`), `plain-${round}`));
    }
  } finally {
    jobs.close();
  }
  return { dataset, job };
}

/** Milliseconds from the apply of an object until the Job of a name is seen. */
export async function timeOf(
  kube: Kube,
  jobs: Awaited<ReturnType<typeof watchJobs>>,
  object: KubeObject,
  name: string,
): Promise<number> {
  const seen = jobs.seen(name);
  const begun = performance.now();
  await kube.apply(object);
  return (await seen) - begun;
}
