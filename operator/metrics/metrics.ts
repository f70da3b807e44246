import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RequestMetrics } from '../../kube/send.ts';
import type { IgnoredEvent } from '../observe/progress-store.ts';
import { createDatasetMetrics } from './datasets.ts';
import type { QueueRequest } from './timed-queue.ts';

/** Metrics for Prometheus. Names and labels are an interface: dashboards and alerts are built on them. */

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** @param queueDepth asked whenever Prometheus asks, as is @param refusedClaims */
export function createMetrics(queueDepth: () => number, refusedClaims: () => number = () => 0) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

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
  const queueRequests = new Histogram({
    name: 'cohortfarm_queue_request_duration_seconds',
    help: 'How long requests to NATS took; the result is success or error',
    labelNames: ['operation', 'result'],
    buckets: SECONDS,
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
  new Gauge({
    name: 'cohortfarm_claims_refused',
    help: 'Namespaces, or the cluster, whose datasets another installation of the same class looks after',
    registers,
    collect() {
      this.set(refusedClaims());
    },
  });
  const leader = new Gauge({ name: 'cohortfarm_leader', help: '1 while this replica leads', registers });
  leader.set(0);
  const datasets = createDatasetMetrics(registers);

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request({ verb, resource, code, seconds }: RequestMetrics): void {
      requests.inc({ verb, resource, code });
      requestDurations.observe({ verb }, seconds);
    },
    queueRequest({ operation, seconds, failed }: QueueRequest): void {
      queueRequests.observe({ operation, result: failed ? 'error' : 'success' }, seconds);
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
