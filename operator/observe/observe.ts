import type { AcceptedPlan } from '../../contract/account/progress.ts';
import { FINALIZER, LABELS } from '../../contract/cluster.ts';
import { ADOPT_ANNOTATION, PUBLICATION_ANNOTATIONS } from '../../contract/names.ts';
import { allocate, followsFromResource } from '../../contract/plan/allocate.ts';
import { issueAt, SpecError, show } from '../../contract/schema/issue.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { isKubeError } from '../../kube/errors.ts';
import type { Kube, Stored } from '../../kube/types.ts';
import type { TrainerApi } from '../desired/trainer-api.ts';
import type { JobView, Observed, Owner, PodsView, QueueView } from '../observed.ts';
import type { Ends } from './ends.ts';
import { type EventsContext, mountProblems, refusedPods } from './events.ts';
import { childJobs, jobSetPods } from './job-sets.ts';
import { jobView, trainJobView } from './jobs.ts';
import { MAX_PODS, podsView, unexplainedPods } from './pods.ts';
import type { ProgressStore } from './progress-store.ts';
import { withAdmission } from './workloads.ts';

/** Gathers what decide/ needs to know of one dataset: always read fresh, so that nothing is stale. */

export interface ObserveContext {
  readonly kube: Pick<Kube, 'list'>;
  readonly observeQueue: (uid: string, isNew: boolean) => Promise<QueueView>;
  readonly progress: ProgressStore;
  readonly observeTrainer: () => Promise<TrainerApi | undefined>;
  /** The Jobs of a dataset, with ends by this clock. */
  readonly endsOf: Ends['of'];
  readonly parse: (object: Stored) => Observed['parsed'];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export async function observe(context: ObserveContext, object: Stored): Promise<Observed> {
  const owner = ownerOf(object);
  const { namespace, uid } = owner;
  const labels = { [LABELS.uid]: uid };
  const parsed = context.parse(object);
  const status = (object.status ?? {}) as DatasetStatus;
  // What a spec that was changed meanwhile has made counts, too.
  const mayHaveTrainJobs = usesTrainJobs(parsed) || (status.stages?.some(({ job }) => job !== undefined) ?? false);
  const isNew = isUntouched(object);
  const [list, trainJobs, queue, trainerApi] = await Promise.all([
    isNew ? NOTHING : context.kube.list({ kind: 'Job', namespace, labels }),
    mayHaveTrainJobs && !isNew ? trainJobsOf(context.kube, namespace, labels) : NOTHING,
    context.observeQueue(uid, isNew),
    usesTrainJobs(parsed) ? context.observeTrainer() : undefined,
  ]);
  const found = await withAdmission(context.kube, namespace, [
    ...list.items.flatMap((job) => jobView(job) ?? []),
    ...trainJobs.items.flatMap((job) => trainJobView(job) ?? []),
  ]);
  const jobs = context.endsOf(uid, found);
  const children = await childJobs(context.kube, namespace, jobs);
  const now = context.now();
  // Of a dataset that was finished before, nothing is kept that they would add to.
  if (jobs.some(({ role, state }) => role === 'train' && state === 'running')) context.progress.expectSteps(uid);
  const progress = context.progress.of(uid);
  if (status.planDigest !== undefined) progress.accept(acceptedPlan(status.planDigest, status));
  const events: EventsContext = { kube: context.kube, namespace, now };
  const [pods, refused] = await Promise.all([
    needsPods(owner, jobs)
      ? observePods(events, owner, jobs, await (mayHaveTrainJobs ? jobSetPods(context.kube, owner, jobs, object) : []))
      : NO_PODS,
    refusedPods(events, [...jobs, ...children]),
  ]);
  return {
    now,
    owner,
    parsed,
    status,
    jobs,
    pods: { ...pods, waiting: [...refused, ...pods.waiting] },
    queue,
    progress: progress.summary(now),
    ...(trainerApi !== undefined && { trainerApi }),
  };
}

/**
 * Whether nothing was made for it yet, so that nothing has to be looked for: the finalizer comes first. A list that has to be
 * up to date takes the API server 50 ms.
 */
export const isUntouched = ({ metadata, status }: Stored): boolean =>
  status === undefined && !metadata.finalizers?.includes(FINALIZER) && metadata.deletionTimestamp === undefined;

const acceptedPlan = (digest: string, { samples, shards }: DatasetStatus): AcceptedPlan => ({
  digest,
  samples: samples?.wanted,
  shards: shards?.total,
});

const NO_PODS: PodsView = { waiting: [], failed: [], succeeded: [], present: 0 };

/** Kubeflow Trainer need not be installed where it is not used. */
const usesTrainJobs = (parsed: Observed['parsed']): boolean =>
  'dataset' in parsed && (parsed.dataset.spec.training?.stages.some(({ runtimeRef }) => runtimeRef) ?? false);

/** None where Kubeflow Trainer is not installed: making one says so. A refusal to list them says nothing of whether there are any. */
async function trainJobsOf(kube: ObserveContext['kube'], namespace: string, labels: Readonly<Record<string, string>>) {
  try {
    return await kube.list({ kind: 'TrainJob', namespace, labels });
  } catch (error) {
    if (isKubeError(error, 'noSuchKind')) return NOTHING;
    throw error;
  }
}

/** The resource as others refer to it. */
export function ownerOf({ metadata }: Stored): Owner {
  const { namespace, name, uid, resourceVersion, generation = 0, finalizers = [] } = metadata;
  const { creationTimestamp, deletionTimestamp } = metadata;
  return {
    namespace,
    name,
    uid,
    resourceVersion,
    generation,
    finalizers,
    ...(creationTimestamp !== undefined && { createdAt: creationTimestamp }),
    deleting: deletionTimestamp !== undefined,
    ...(deletionTimestamp !== undefined && { deletedAt: deletionTimestamp }),
  };
}

/** Pods are looked at only where the Jobs say that something may be wrong, or has an answer to give. */
function needsPods({ deleting }: Owner, jobs: readonly JobView[]): boolean {
  if (deleting) return true;
  return jobs.some(
    ({ role, state, active, ready, terminating, failed }) =>
      role !== 'workers' || state === 'failed' || failed > 0 || ready < active || terminating > 0,
  );
}

/** All but those that simply run or have simply ended; while the dataset is being deleted, those too. */
async function observePods(
  context: EventsContext,
  { namespace, uid, deleting }: Owner,
  jobs: readonly JobView[],
  ofJobSets: readonly Stored[],
): Promise<PodsView> {
  const { kube } = context;
  const ofDataset = { kind: 'Pod', namespace, labels: { [LABELS.uid]: uid }, limit: MAX_PODS } as const;
  const answers = { ...ofDataset.labels, [LABELS.role]: ['publish', 'cleanup', 'train'] };
  const asked = deleting
    ? [kube.list(ofDataset)]
    : [
        kube.list({ ...ofDataset, fieldSelector: 'status.phase!=Running,status.phase!=Succeeded' }),
        // Of a node that is lost, pods run for ever, as far as the API server knows.
        jobs.some(({ terminating }) => terminating > 0)
          ? kube.list({ ...ofDataset, fieldSelector: 'status.phase=Running' })
          : NOTHING,
        // Workers that ended well have nothing to say; of many nodes of a stage any may be the one that answers.
        hasAnswer(jobs)
          ? kube.list({ kind: 'Pod', namespace, labels: answers, fieldSelector: 'status.phase=Succeeded' })
          : NOTHING,
      ];
  const lists = await Promise.all(asked);
  const pods = [...lists.flatMap(({ items }) => items), ...ofJobSets];
  const view = podsView(pods);
  return { ...view, waiting: [...view.waiting, ...(await mountProblems(context, unexplainedPods(pods)))] };
}

const NOTHING: { readonly items: readonly Stored[] } = { items: [] };

const hasAnswer = (jobs: readonly JobView[]): boolean =>
  jobs.some(({ role, succeeded }) => role !== 'workers' && succeeded > 0);

/**
 * Parses resources, remembering the last result of each: a big quota takes a while to be shared among its cells. Annotations
 * change without a new generation, and some of them go into the dataset card.
 */
export function createParser(): { parse: (object: Stored) => Observed['parsed']; forget: (uid: string) => void } {
  const cache = new Map<string, { version: string; parsed: Observed['parsed'] }>();
  return {
    parse(object) {
      const { uid, generation = 0, annotations = {} } = object.metadata;
      const published = [...Object.values(PUBLICATION_ANNOTATIONS), ADOPT_ANNOTATION].map((name) => annotations[name]);
      const version = JSON.stringify([generation, ...published]);
      const known = cache.get(uid);
      if (known?.version === version) return known.parsed;
      const parsed = parsedOf(object);
      cache.set(uid, { version, parsed });
      return parsed;
    },
    forget: (uid) => {
      cache.delete(uid);
    },
  };
}

function parsedOf(object: Stored): Observed['parsed'] {
  try {
    const dataset = parseDataset(object);
    checkQuota(dataset);
    checkOutput(dataset);
    return { dataset };
  } catch (error) {
    if (error instanceof SpecError) return { issues: error.issues };
    throw error;
  }
}

/** Whether pods can keep what they make: their own file systems are read-only, and go with them. */
function checkOutput({ spec }: SyntheticDataset): void {
  const { output, workers } = spec;
  if (output.uri.startsWith('s3://') || workers.podTemplate) return;
  const fix = 'write s3://BUCKET/PREFIX, or mount a volume that all pods share by spec.workers.podTemplate';
  throw new SpecError([
    issueAt(['spec', 'output', 'uri'], `${show(output.uri)} is no place that pods can write to; ${fix}`),
  ]);
}

/** Whether the quota can be met. One that needs a file is judged by the workers, who can read it. */
function checkQuota({ spec }: SyntheticDataset): void {
  if (followsFromResource(spec.quota)) allocate(spec.quota);
}
