/**
 * The ways in which versions of Kubeflow Trainer let a TrainJob say what its runtime does not: 2.0 by `podSpecOverrides`, 2.1 by
 * `podTemplateOverrides`, and from 2.2 on by `runtimePatches`.
 */
export const TRAINER_APIS = ['runtimePatches', 'podTemplateOverrides', 'podSpecOverrides'] as const;
export type TrainerApi = (typeof TRAINER_APIS)[number];

/** The content of a TrainJob, which any of them can express. */
export interface TrainJobParts {
  /** Fields that all versions share. */
  readonly shared: object;
  /** Labels of the JobSet that it becomes. */
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the replicated job that trains. */
  readonly job: string;
  /** Overrides of its pod spec. */
  readonly podSpec: object;
}

/** The manager of the operator's patches; other controllers, such as Kueue, have theirs. */
const MANAGER = 'cohortfarm.dev/operator';

/** The spec of a TrainJob in the words of a version. */
export function trainJobSpec({ shared, labels, job, podSpec }: TrainJobParts, api: TrainerApi): object {
  switch (api) {
    case 'podSpecOverrides':
      return { ...shared, labels, podSpecOverrides: [{ targetJobs: [{ name: job }], ...podSpec }] };
    case 'podTemplateOverrides':
      return { ...shared, labels, podTemplateOverrides: [{ targetJobs: [{ name: job }], spec: podSpec }] };
    case 'runtimePatches': {
      const replicatedJobs = [{ name: job, template: { spec: { template: { spec: podSpec } } } }];
      const template = { metadata: { labels }, spec: { replicatedJobs } };
      return { ...shared, runtimePatches: [{ manager: MANAGER, trainingRuntimeSpec: { template } }] };
    }
  }
}

/** The way of the installed version, by the fields that its TrainJobs have. */
export const trainerApiOf = (fields: readonly string[]): TrainerApi =>
  TRAINER_APIS.find((api) => fields.includes(api)) ?? 'podSpecOverrides';
