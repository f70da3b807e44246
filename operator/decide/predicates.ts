import { grouped } from '../../contract/format.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import type { DesiredJob, StepContext } from '../desired/job.ts';
import { currentJob, type JobView, type Observed } from '../observed.ts';
import type { Action, Settings } from './decision.ts';

/** Predicates that guards and steps share. */

/** The parsed resource. What decides after the guard `invalid` may rely on it. */
export function datasetOf({ parsed }: Pick<Observed, 'parsed'>): SyntheticDataset {
  if ('issues' in parsed) throw new TypeError('the resource is not valid');
  return parsed.dataset;
}

export const stepContext = (observed: Observed, settings: Settings): StepContext => ({
  owner: observed.owner,
  dataset: datasetOf(observed),
  settings: settings.pods,
  ...(observed.trainerApi !== undefined && { trainerApi: observed.trainerApi }),
});

/** The condition of a step, as last written, is true. */
export const isTrue = ({ status }: Observed, type: string): boolean =>
  status.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;

/** A worker has claimed the output and announced the plan. */
export const isAccepted = (observed: Observed): boolean =>
  isGenerated(observed) || observed.progress.plan !== null || observed.status.planDigest !== undefined;

/** Every shard of the plan is known to be committed, or a publish pod has been started since it was. */
export function isGenerated(observed: Observed): boolean {
  const { progress, jobs, status } = observed;
  if (status.manifest) return true;
  const publish = currentJob(jobs, 'publish');
  if (publish && !publish.deleting) return true;
  return progress.plan !== null && progress.shardsCommitted >= progress.plan.shards;
}

/** The status has recorded the manifest, which no condition can undo, and the spec asks for no other place. */
export const isPublished = ({ status, parsed }: Observed): boolean =>
  status.manifest !== undefined && !('dataset' in parsed && isElsewhere(status.manifest.uri, parsed.dataset));

/** A path has many spellings; it counts as the same. */
function isElsewhere(manifest: string, { spec }: SyntheticDataset): boolean {
  const [published, wanted] = [manifest.replace(/\/[^/]*$/, ''), spec.output.uri].map(s3Folder);
  return published !== undefined && wanted !== undefined && published !== wanted;
}

/** Bucket and prefix; undefined for what is not on S3. */
function s3Folder(uri: string): string | undefined {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(.*)$/is.exec(uri) ?? [];
  return bucket === undefined ? undefined : `${bucket}/${prefix.replace(/^\/+|\/+$/g, '')}`;
}

/** Jobs of former rounds are kept one by one: the latest for its logs, older ones are in the way. */
export function removeFormer(jobs: readonly JobView[], current: JobView): Action[] {
  const former = jobs
    .filter((job) => job.role === current.role && job.stage === current.stage && job.round < current.round)
    .sort((a, b) => b.round - a.round);
  return former.filter((job, i) => !job.deleting && (i > 0 || job.state === 'running')).map((job) => removal(job));
}

/**
 * Whether a Job cannot become the desired one: its template is immutable, and its queue is Kueue's once it was admitted. What
 * is for the next pods alone, such as a new image of the installation, replaces only a Job of which no pod runs: one whose
 * image cannot be pulled, or one that is to be resumed.
 */
export function mustBeReplaced(job: JobView, desired: DesiredJob): boolean {
  // Of a Job of a former version it is known only whether it is in the queue that is wanted.
  const queue = job.desiredQueue ?? (desired.queue === '' ? '' : job.queueName);
  const isKueues = job.suspended && job.queueName !== undefined;
  // A TrainJob counts Jobs: one of several pods that restarts makes the whole Job not ready.
  const isIdle = (job.kind === 'TrainJob' ? job.active : job.ready) === 0 && !isKueues;
  return (
    job.templateDigest !== desired.templateDigest ||
    queue !== desired.queue ||
    (isIdle && !hasSameTemplate(job, desired))
  );
}

/** Whether the desired Job can be applied over a running one. */
export const hasSameTemplate = (job: JobView, desired: DesiredJob): boolean =>
  job.renderedDigest === undefined || job.renderedDigest === desired.renderedDigest;

/** Ends a Job and its pods. */
export const removal = ({ kind, name }: JobView, event?: string): Action => ({
  type: 'deleteJob',
  kind,
  name,
  ...(event !== undefined && { event }),
});

/** `3 of 8`, grouped: `1,200 of 565,000`. */
export const ofAll = (some: number, all: number): string => `${grouped(some)} of ${grouped(all)}`;
