import { setTimeout as sleep } from 'node:timers/promises';
import { createKube } from '../kube/client.ts';
import { type Clock, systemClock } from '../kube/clock.ts';
import { Events } from '../kube/event-recorder.ts';
import { Leader } from '../kube/leader-election.ts';
import type { RequestMetrics } from '../kube/send.ts';
import type { Transport } from '../kube/transport.ts';
import { createWatchSource } from '../kube/watch-stream.ts';
import { openLineage } from '../platform/lineage.ts';
import type { Logger } from '../platform/log.ts';
import { openQueueAdmin } from '../platform/queue/admin.ts';
import type { ProgressWatch, QueueAdmin } from '../platform/queue/types.ts';
import { Claims, type ClaimsOptions } from './claims.ts';
import type { OperatorConfig } from './config.ts';
import { Controller } from './controller.ts';
import { type Checks, type HttpServer, startHttp } from './http.ts';
import { createLineageReporter, type LineageReporter, NO_LINEAGE } from './lineage/reporter.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { timedQueue } from './metrics/timed-queue.ts';
import { createProgressStore } from './observe/progress-store.ts';
import { createReconciler, type ReconcileContext } from './reconcile.ts';
import { usageOf } from './usage.ts';

/**
 * One replica of the operator: stands by until it leads and its installation may work (claims.ts), then works until it is
 * stopped or loses the lease.
 */

export interface OperatorOptions {
  readonly config: OperatorConfig;
  /** A new connection pool to the API server with each call. */
  readonly transport: () => Transport;
  readonly log: Logger;
  /** The lease is lost: the process has to end before anything else is written. */
  readonly onLost: (why: string) => void;
}

export interface Operator {
  /** Port of /metrics, /healthz and /readyz. */
  readonly port: number;
  /** Ends what runs, gives the lease back, and closes everything. */
  stop(): Promise<void>;
}

/** The work of a leader. */
interface Work {
  readonly controller: Controller;
  readonly progressWatch: ProgressWatch;
}

/** Longest wait for what the queue has stored before work begins without it. */
const CATCH_UP_MS = 5_000;
/** A try at the lease ends within its time limits; one that takes longer than this hangs. */
const HANGS_MS = 60_000;
/** A single lost call is not reported. */
const AWAY_MS = 5_000;
/** Longest wait for Events that are not written yet, when the operator ends. */
const FLUSH_MS = 5_000;
/** Claims are renewed in every namespace where there is something to do: four times as rarely as the lease of the leader. */
const CLAIM_LEASES = 4;
/** A claim outlives so many looks at everything that found nothing in its namespace. */
const IDLE_RESYNCS = 3;

export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { config, log, onLost } = options;
  const clock = systemClock;
  const lineage = createLineage(config.lineage, { clock, log });
  let work: Work | null = null;
  let claims: Claims | null = null;
  let stopping = false;
  const metrics = createMetrics(
    () => work?.controller.depth ?? 0,
    () => claims?.refused ?? 0,
  );
  const onRequest = metrics.request;
  const connection = openQueueAdmin({
    ...config.nats,
    name: config.instance,
    limits: config.streamLimits,
    log,
  });
  const queue = timedQueue(connection, metrics.queueRequest, clock.now);
  const parts = { ...options, clock, onRequest };
  const events = createEvents(parts);
  const lost = (why: string): void => {
    metrics.leads(false);
    log.fatal(why);
    onLost(why);
  };
  const leader = createLeader(parts, {
    onStarted: () => {
      log.info({ identity: config.lease.identity }, 'leading');
      claims = createClaims(parts, {
        events,
        onReady: () => {
          metrics.leads(true);
          work = createWork({ ...parts, metrics, queue, lineage, events, claims: claims! });
          void begin(work, () => stopping);
        },
        onHeld: (namespace) => work?.controller.lookAgain(namespace),
        onLost: lost,
      });
      claims.start();
    },
    onLost: lost,
  });
  const http: HttpServer = await startHttp({
    ...config.http,
    metrics,
    healthy: {
      leader: () =>
        leader.silentMs > HANGS_MS ? `no try at the lease has ended for ${HANGS_MS / 1000} seconds` : null,
      work: () => firstProblem(work?.controller.healthy),
    },
    ready: {
      lease: () => leader.problemAfter(AWAY_MS),
      claim: () => claims?.problem ?? null,
      nats: () => queue.problem,
      work: () => firstProblem(work?.controller.ready),
    },
  });
  leader.start();
  log.info({ port: http.port, identity: config.lease.identity }, 'standing by');
  return {
    port: http.port,
    async stop() {
      stopping = true;
      log.info('stopping');
      const ended = (await work?.controller.stop(config.shutdownSeconds * 1000)) ?? true;
      // They are kept: another replica may be about to lead, and an upgrade must not let another installation in.
      claims?.stop();
      // Keep the lease while a reconcile is in flight; it expires on its own.
      if (ended) await leader.release().catch((error: Error) => log.warn(error.message));
      // Events are for people, and another leader may write its own meanwhile; it sends those of lineage again.
      const written = Promise.all([events.flush(), lineage.flush()]);
      await Promise.race([written, sleep(FLUSH_MS, undefined, { ref: false })]);
      await work?.progressWatch.close();
      await queue.close();
      await http.close();
      log.info({ ended }, 'stopped');
    },
  };
}

interface Parts extends OperatorOptions {
  readonly clock: Clock;
  readonly onRequest: (seen: RequestMetrics) => void;
}

function createLeader(
  { config, transport, clock, onRequest, log }: Parts,
  handlers: { readonly onStarted: () => void; readonly onLost: (why: string) => void },
): Leader {
  const { durationSeconds, ...lease } = config.lease;
  const durationMs = durationSeconds * 1000;
  return new Leader({
    ...lease,
    ...handlers,
    // Connections of its own, so that no amount of work keeps it from renewing.
    kube: createKube({ transport: transport(), timeoutMs: durationMs / 4, onRequest }),
    clock,
    wallClock: Date.now,
    random: Math.random,
    log,
    durationMs,
    renewDeadlineMs: (durationMs * 2) / 3,
    retryMs: (durationMs * 2) / 15,
  });
}

const createEvents = ({ config, transport, clock, onRequest, log }: Parts): Events =>
  new Events({
    kube: createKube({ transport: transport(), onRequest }),
    instance: config.instance,
    clock,
    wallClock: Date.now,
    log,
  });

function createClaims(
  { config, transport, clock, onRequest, log }: Parts,
  handlers: Pick<ClaimsOptions, 'events' | 'onReady' | 'onHeld' | 'onLost'>,
): Claims {
  const { lease, settings, namespaces, resyncSeconds } = config;
  const durationMs = lease.durationSeconds * CLAIM_LEASES * 1000;
  return new Claims({
    ...handlers,
    kube: createKube({ transport: transport(), timeoutMs: durationMs / 4, onRequest }),
    installation: `${lease.namespace}/${lease.name}`,
    operatorClass: settings.operatorClass,
    namespaces,
    clock,
    wallClock: Date.now,
    random: Math.random,
    log,
    durationMs,
    idleMs: resyncSeconds * IDLE_RESYNCS * 1000,
  });
}

interface WorkParts extends Parts {
  readonly metrics: Metrics;
  readonly queue: QueueAdmin;
  readonly lineage: LineageReporter;
  readonly events: Events;
  readonly claims: Claims;
}

function createWork(parts: WorkParts): Work {
  const { config, transport, clock, onRequest, log, metrics, queue, lineage, events, claims } = parts;
  const connection = transport();
  const kube = createKube({ transport: connection, onRequest });
  const wake = (uid: string, seconds: number): void => controller.wake(uid, seconds);
  const progress = createProgressStore({
    now: Date.now,
    wake,
    isKnown: (uid) => controller.knows(uid),
    onIgnored: (why, { uid, kind }) => {
      metrics.ignored(why);
      log[why === 'contradictingPlan' ? 'warn' : 'debug']({ uid, kind, why }, 'an event of the queue was ignored');
    },
  });
  const progressWatch: ProgressWatch = queue.watchProgress((event) => progress.take(event, progressWatch.current()));
  const reconcile = createReconciler({
    kube,
    queue,
    isCurrent: () => progressWatch.current(),
    progress,
    events,
    lineage,
    settings: config.settings,
    mayWorkIn: (namespace) => claims.mayWorkIn(namespace),
    now: Date.now,
    patience: () => controller.patience,
    onStatus: metrics.status,
    onSeen: createSeen(metrics),
  });
  const controller = new Controller({
    ...config,
    kube,
    source: createWatchSource(connection, onRequest),
    reconcile,
    metrics,
    clock,
    random: Math.random,
    log,
  });
  return { controller, progressWatch };
}

function createLineage(
  settings: OperatorConfig['lineage'],
  { clock, log }: Pick<Parts, 'clock' | 'log'>,
): LineageReporter {
  if (!settings) return NO_LINEAGE;
  const { url, apiKey, namespace } = settings;
  const sink = openLineage({ target: url, setting: 'OPENLINEAGE_URL', apiKey });
  return createLineageReporter({ sink, namespace, clock, wallClock: Date.now, log });
}

/** Starts to work once what the queue has stored has been read, so that no condition reports that it could not be read yet. */
async function begin({ controller, progressWatch }: Work, isStopping: () => boolean): Promise<void> {
  for (let waited = 0; waited < CATCH_UP_MS && !progressWatch.current(); waited += 50) await sleep(50);
  if (!isStopping()) controller.start();
}

/** Keeps the metrics of datasets. */
function createSeen(metrics: Metrics): ReconcileContext['onSeen'] {
  const keys = new Map<string, { readonly namespace: string; readonly name: string }>();
  return (uid, key, observed) => {
    const known = keys.get(uid);
    if (key === null) {
      keys.delete(uid);
      if (known) metrics.forget(known);
      return;
    }
    keys.set(uid, key);
    if (!observed) return;
    const { progress } = observed;
    const { gpuSeconds = 0, rejectedGpuSeconds = 0, training } = usageOf(observed) ?? {};
    const used = { gpuSeconds, rejectedGpuSeconds, trainingGpuSeconds: training?.gpuSeconds ?? 0 };
    metrics.counted(key, { ...progress, accepted: progress.samples.accepted, ...used });
  };
}

function firstProblem(checks: Checks | undefined): string | null {
  for (const [part, check] of Object.entries(checks ?? {})) {
    const problem = check();
    if (problem !== null) return `${part}: ${problem}`;
  }
  return null;
}
