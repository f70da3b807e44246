import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DatasetStatus } from '../contract/schema/status.ts';
import type { RequestMetrics } from '../kube/send.ts';
import type { IgnoredEvent } from './observe/progress-store.ts';

/** Metrics for Prometheus. Names and labels are an interface: dashboards and alerts are built on them. */

/** Totals of a dataset since it began. */
export interface DatasetCounts {
  readonly accepted: number;
  /** By gate. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly shardsCommitted: number;
  readonly imagesPerSecond: number;
}

interface DatasetKey {
  readonly namespace: string;
  readonly name: string;
}

type ConditionLabels = Readonly<Record<DatasetLabels | 'type' | 'status' | 'reason', string>>;
type DatasetLabels = 'namespace' | 'dataset';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** @param queueDepth asked whenever Prometheus asks */
export function createMetrics(queueDepth: () => number) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const ofDataset: DatasetLabels[] = ['namespace', 'dataset'];

  const reconciles = new Counter({
    name: 'cohortfarm_reconcile_total',
    help: 'Reconciles that ended, by result',
    labelNames: ['result'],
    registers,
  });
  const durations = new Histogram({
    name: 'cohortfarm_reconcile_duration_seconds',
    help: 'How long reconciles took',
    buckets: SECONDS,
    registers,
  });
  const errors = new Counter({
    name: 'cohortfarm_reconcile_errors_total',
    help: 'Reconciles that failed, by reason',
    labelNames: ['reason'],
    registers,
  });
  const requests = new Counter({
    name: 'cohortfarm_kube_requests_total',
    help: 'Calls to the API server; code is 200 or the kind of failure',
    labelNames: ['verb', 'resource', 'code'],
    registers,
  });
  const requestDurations = new Histogram({
    name: 'cohortfarm_kube_request_duration_seconds',
    help: 'How long calls to the API server took; of a watch, until its answer began',
    labelNames: ['verb'],
    buckets: SECONDS,
    registers,
  });
  const ignored = new Counter({
    name: 'cohortfarm_queue_events_ignored_total',
    help: 'Events of the queue that changed nothing, by why: of an unknown dataset, or a plan that contradicts the accepted one',
    labelNames: ['why'],
    registers,
  });
  new Gauge({
    name: 'cohortfarm_workqueue_depth',
    help: 'Datasets whose turn has come but that are not looked at yet',
    registers,
    collect() {
      this.set(queueDepth());
    },
  });
  const leader = new Gauge({ name: 'cohortfarm_leader', help: '1 while this replica leads', registers });
  leader.set(0);
  const datasets = createDatasetMetrics(registers, ofDataset);

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request({ verb, resource, code, seconds }: RequestMetrics): void {
      requests.inc({ verb, resource, code });
      requestDurations.observe({ verb }, seconds);
    },
    /** @param reason of the failure; null for a success */
    reconciled(seconds: number, reason: string | null): void {
      reconciles.inc({ result: reason === null ? 'success' : 'error' });
      durations.observe(seconds);
      if (reason !== null) errors.inc({ reason });
    },
    ignored(why: IgnoredEvent): void {
      ignored.inc({ why });
    },
    leads(isLeader: boolean): void {
      leader.set(isLeader ? 1 : 0);
    },
    ...datasets,
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

function createDatasetMetrics(registers: Registry[], labelNames: DatasetLabels[]) {
  const accepted = new Counter({
    name: 'cohortfarm_images_accepted_total',
    help: 'Images that passed every gate and are committed',
    labelNames,
    registers,
  });
  const rejected = new Counter({
    name: 'cohortfarm_images_rejected_total',
    help: 'Images that a gate rejected, of committed shards',
    labelNames: [...labelNames, 'gate'],
    registers,
  });
  const shards = new Counter({
    name: 'cohortfarm_shards_committed_total',
    help: 'Shards whose record is stored',
    labelNames,
    registers,
  });
  const rate = new Gauge({
    name: 'cohortfarm_images_per_second',
    help: 'Accepted images in each second of the last minute, by all workers of the dataset',
    labelNames,
    registers,
  });
  const conditions = new Gauge({
    name: 'cohortfarm_dataset_condition',
    help: '1 for what each condition of a dataset says',
    labelNames: [...labelNames, 'type', 'status', 'reason'],
    registers,
  });
  /** The label sets of each dataset's conditions, by `namespace/name`. */
  const said = new Map<string, readonly ConditionLabels[]>();
  /** The values of each dataset's counters, by `namespace/name`. */
  const known = new Map<string, DatasetCounts>();

  const forgetConditions = (id: string): void => {
    for (const labels of said.get(id) ?? []) conditions.remove({ ...labels });
    said.delete(id);
  };
  const forget = ({ namespace, name }: DatasetKey): void => {
    const before = known.get(`${namespace}/${name}`);
    if (!before) return;
    known.delete(`${namespace}/${name}`);
    const labels = { namespace, dataset: name };
    for (const metric of [accepted, shards, rate]) metric.remove(labels);
    for (const gate of Object.keys(before.rejected)) rejected.remove({ ...labels, gate });
  };

  return {
    /** Takes in the totals of a dataset. Counters restart when it has less than before: it is another one. */
    counted(key: DatasetKey, counts: DatasetCounts): void {
      const id = `${key.namespace}/${key.name}`;
      if (hasLess(counts, known.get(id))) forget(key);
      const before = known.get(id);
      known.set(id, counts);
      const labels = { namespace: key.namespace, dataset: key.name };
      accepted.inc(labels, counts.accepted - (before?.accepted ?? 0));
      shards.inc(labels, counts.shardsCommitted - (before?.shardsCommitted ?? 0));
      rate.set(labels, counts.imagesPerSecond);
      for (const [gate, count] of Object.entries(counts.rejected)) {
        rejected.inc({ ...labels, gate }, count - (before?.rejected[gate] ?? 0));
      }
    },
    /** The conditions of a dataset. */
    conditions({ namespace, name }: DatasetKey, all: DatasetStatus['conditions'] = []): void {
      const id = `${namespace}/${name}`;
      const now = all.map(({ type, status, reason }) => ({ namespace, dataset: name, type, status, reason }));
      forgetConditions(id);
      said.set(id, now);
      for (const labels of now) conditions.set(labels, 1);
    },
    /** A dataset that is gone. */
    forget(key: DatasetKey): void {
      forgetConditions(`${key.namespace}/${key.name}`);
      forget(key);
    },
  };
}

function hasLess(now: DatasetCounts, before: DatasetCounts | undefined): boolean {
  if (!before) return false;
  if (now.accepted < before.accepted || now.shardsCommitted < before.shardsCommitted) return true;
  return Object.entries(before.rejected).some(([gate, count]) => (now.rejected[gate] ?? 0) < count);
}
