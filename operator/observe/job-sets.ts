import { LABELS, stageJobName } from '../../contract/cluster.ts';
import type { Spec } from '../../contract/schema/spec.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import { RESERVED_STAGES } from '../../contract/schema/training.ts';
import type { Kube, Stored } from '../../kube/types.ts';
import type { JobView, Owner } from '../observed.ts';
import { childJobView } from './jobs.ts';
import { MAX_PODS } from './pods.ts';

/** The parts of a TrainJob: a JobSet of its name, whose Jobs and pods have none of our labels. */

type Lister = Pick<Kube, 'list'>;

/** Pods of TrainJobs, which have none of our labels. They may exist when their TrainJobs are gone already. */
export async function jobSetPods(
  kube: Lister,
  { namespace, name, deleting }: Owner,
  jobs: readonly JobView[],
  { spec, status }: Stored,
): Promise<readonly Stored[]> {
  const { stages = [] } = (status ?? {}) as DatasetStatus;
  const ofPods = { kind: 'Pod', namespace } as const;
  if (deleting) {
    // One that was made just now, or of a round before, is in no status.
    const { items } = await kube.list({ ...ofPods, labels: { [LABELS.jobSet]: null } });
    const named = [...stages, ...((spec as Partial<Spec> | undefined)?.training?.stages ?? [])].map(
      (stage) => stage.name,
    );
    const all = new Set([...named, ...RESERVED_STAGES]);
    return items.filter(({ metadata }) => isOfStage(metadata.labels?.[LABELS.jobSet] ?? '', name, all));
  }
  const made = jobs.filter(({ kind }) => kind === 'TrainJob').map((job) => job.name);
  const jobSets = [...new Set([...made, ...stages.flatMap(({ job }) => job ?? [])])];
  if (jobSets.length === 0) return [];
  return (await kube.list({ ...ofPods, labels: { [LABELS.jobSet]: jobSets }, limit: MAX_PODS })).items;
}

/** Whether a JobSet is that of a stage of the dataset, in any round. */
function isOfStage(jobSet: string, dataset: string, stages: ReadonlySet<string>): boolean {
  const round = Number(/-(\d+)$/.exec(jobSet)?.[1]);
  return Number.isInteger(round) && [...stages].some((stage) => stageJobName(dataset, stage, round) === jobSet);
}

/** Jobs that run a TrainJob, each in its name: the Events about refused pods are theirs. */
export async function childJobs(kube: Lister, namespace: string, jobs: readonly JobView[]): Promise<JobView[]> {
  const running = jobs.filter(({ kind, state, suspended }) => kind === 'TrainJob' && state === 'running' && !suspended);
  if (running.length === 0) return [];
  const labels = { [LABELS.jobSet]: running.map(({ name }) => name) };
  const { items } = await kube.list({ kind: 'Job', namespace, labels });
  return items.flatMap((item) => {
    const parent = running.find(({ name }) => name === item.metadata.labels?.[LABELS.jobSet]);
    return parent ? [childJobView(item, parent)] : [];
  });
}
