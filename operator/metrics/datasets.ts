import { Counter, Gauge, type Registry } from 'prom-client';
import type { DatasetStatus, StageStatus } from '../../contract/schema/status.ts';

/** Metrics of each dataset. A dataset that is gone leaves none behind. */

/** Totals of a dataset since it began. */
export interface DatasetCounts {
  readonly accepted: number;
  /** By gate. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly shardsCommitted: number;
  readonly imagesPerSecond: number;
  readonly gpuSeconds: number;
  readonly rejectedGpuSeconds: number;
  readonly trainingGpuSeconds: number;
}

interface DatasetKey {
  readonly namespace: string;
  readonly name: string;
}

type Labels = Readonly<Record<string, string>>;

const STAGE_STATES: readonly StageStatus['state'][] = ['Pending', 'Running', 'Succeeded', 'Failed'];

export function createDatasetMetrics(registers: Registry[]) {
  const metrics = defineMetrics(registers);
  const counts = createCounts(metrics);
  const statuses = createStatuses(metrics);
  return {
    ...counts,
    ...statuses,
    /** A dataset that is gone. */
    forget(key: DatasetKey): void {
      counts.forgetCounts(key);
      statuses.forgetStatus(key);
    },
  };
}

function defineMetrics(registers: Registry[]) {
  const labels = ['namespace', 'dataset'];
  const counter = (name: string, help: string, ...more: string[]) =>
    new Counter({ name: `cohortfarm_${name}`, help, labelNames: [...labels, ...more], registers });
  const gauge = (name: string, help: string, ...more: string[]) =>
    new Gauge({ name: `cohortfarm_${name}`, help, labelNames: [...labels, ...more], registers });
  return {
    accepted: counter('images_accepted_total', 'Images that passed every gate and are committed'),
    rejected: counter('images_rejected_total', 'Images that a gate rejected, of committed shards', 'gate'),
    shards: counter('shards_committed_total', 'Shards whose record is stored'),
    gpuSeconds: counter('gpu_seconds_total', 'GPU-seconds of all workers'),
    rejectedGpuSeconds: counter('gpu_seconds_rejected_total', 'GPU-seconds that went into rejected images'),
    trainingGpuSeconds: counter('training_gpu_seconds_total', 'GPU-seconds of all training stages'),
    rate: gauge(
      'images_per_second',
      'Accepted images in each second of the last minute, by all workers of the dataset',
    ),
    wanted: gauge('samples_wanted', 'Images that the plan asks for'),
    secondsLeft: gauge('seconds_left', 'Time to the last sample at the present rate; none without a rate'),
    conditions: gauge('dataset_condition', '1 for what each condition of a dataset says', 'type', 'status', 'reason'),
    stageSteps: gauge('stage_steps', 'Steps of a training stage that runs', 'stage'),
    stageDone: gauge('stage_steps_done', 'Steps that it has done', 'stage'),
    stageLeft: gauge('stage_seconds_left', 'Time to its last step at the rate so far', 'stage'),
    publishShards: gauge('publish_shards', 'Shards that the publish pod checks, while it runs'),
    publishDone: gauge('publish_shards_done', 'Shards that it has checked'),
    stages: gauge('stage_state', '1 for the state of each training stage, 0 for its other states', 'stage', 'state'),
  };
}

type DatasetMetrics = ReturnType<typeof defineMetrics>;

const idOf = ({ namespace, name }: DatasetKey): string => `${namespace}/${name}`;
const labelsOf = ({ namespace, name }: DatasetKey) => ({ namespace, dataset: name });

/** Counts of progress and usage. */
function createCounts(metrics: DatasetMetrics) {
  const { accepted, rejected, shards, gpuSeconds, rejectedGpuSeconds, trainingGpuSeconds, rate } = metrics;
  const single = [accepted, shards, gpuSeconds, rejectedGpuSeconds, trainingGpuSeconds, rate];
  /** The values of each dataset's counters, by `namespace/name`. */
  const known = new Map<string, DatasetCounts>();
  const forgetCounts = (key: DatasetKey): void => {
    const before = known.get(idOf(key));
    if (!before) return;
    known.delete(idOf(key));
    const labels = labelsOf(key);
    for (const metric of single) metric.remove(labels);
    for (const gate of Object.keys(before.rejected)) rejected.remove({ ...labels, gate });
  };
  return {
    forgetCounts,
    /** Takes in the totals of a dataset. Counters restart when it has less than before: it is another one. */
    counted(key: DatasetKey, counts: DatasetCounts): void {
      if (hasLess(counts, known.get(idOf(key)))) forgetCounts(key);
      const before = known.get(idOf(key));
      known.set(idOf(key), counts);
      const labels = labelsOf(key);
      accepted.inc(labels, counts.accepted - (before?.accepted ?? 0));
      shards.inc(labels, counts.shardsCommitted - (before?.shardsCommitted ?? 0));
      gpuSeconds.inc(labels, counts.gpuSeconds - (before?.gpuSeconds ?? 0));
      rejectedGpuSeconds.inc(labels, counts.rejectedGpuSeconds - (before?.rejectedGpuSeconds ?? 0));
      trainingGpuSeconds.inc(labels, counts.trainingGpuSeconds - (before?.trainingGpuSeconds ?? 0));
      rate.set(labels, counts.imagesPerSecond);
      for (const [gate, count] of Object.entries(counts.rejected)) {
        rejected.inc({ ...labels, gate }, count - (before?.rejected[gate] ?? 0));
      }
    },
  };
}

const TOTALS = ['accepted', 'shardsCommitted', 'gpuSeconds', 'rejectedGpuSeconds', 'trainingGpuSeconds'] as const;

function hasLess(now: DatasetCounts, before: DatasetCounts | undefined): boolean {
  if (!before) return false;
  if (TOTALS.some((total) => now[total] < before[total])) return true;
  return Object.entries(before.rejected).some(([gate, count]) => (now.rejected[gate] ?? 0) < count);
}

/** Metrics of the status. */
function createStatuses(metrics: DatasetMetrics) {
  const { conditions, stages, wanted, secondsLeft, stageSteps, stageDone, stageLeft, publishShards, publishDone } =
    metrics;
  /** Takes back what was set of each dataset, by `namespace/name`. */
  const former = new Map<string, readonly (() => void)[]>();
  const forgetStatus = (key: DatasetKey): void => {
    for (const remove of former.get(idOf(key)) ?? []) remove();
    former.delete(idOf(key));
  };
  return {
    forgetStatus,
    /** The status of a dataset, whole. */
    status(key: DatasetKey, now: DatasetStatus): void {
      forgetStatus(key);
      const set = (metric: Gauge, more: Labels, value: number) => {
        const labels = { ...labelsOf(key), ...more };
        metric.set(labels, value);
        return () => metric.remove(labels);
      };
      const removals = (now.conditions ?? []).map(({ type, status, reason }) =>
        set(conditions, { type, status, reason }, 1),
      );
      for (const { name: stage, state: is, progress } of now.stages ?? []) {
        if (progress) {
          removals.push(set(stageSteps, { stage }, progress.all), set(stageDone, { stage }, progress.done));
          if (progress.secondsLeft !== undefined) removals.push(set(stageLeft, { stage }, progress.secondsLeft));
        }
        removals.push(...STAGE_STATES.map((state) => set(stages, { stage, state }, state === is ? 1 : 0)));
      }
      if (now.samples) removals.push(set(wanted, {}, now.samples.wanted));
      if (now.publishing) {
        removals.push(set(publishShards, {}, now.publishing.all), set(publishDone, {}, now.publishing.done));
      }
      if (now.secondsLeft !== undefined) removals.push(set(secondsLeft, {}, now.secondsLeft));
      former.set(idOf(key), removals);
    },
  };
}
